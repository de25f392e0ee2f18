import { randomBytes } from 'node:crypto';
import type { Clock, ProxyCapabilities } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import { probeScript, readProbe } from './capabilities.ts';
import { quote, writeLines } from './host.ts';
import { DIRECTORIES, layout } from './layout.ts';
import { type BaseFile, SHARED, SUMS, sumsNow } from './live.ts';
import { reload } from './reload.ts';
import { renderBase } from './render.ts';
import type { Site } from './site.ts';
import { testStaged } from './staging.ts';

/** How long a freshly started Nginx may take until its private server answers. */
const START_MS = 10_000;

/**
 * Makes the part of the configuration that all apps share what this version of the suite renders, for what this Nginx can do.
 * The whole is tested before a live file changes.
 */
export async function prepareBase(site: Site, clock: Clock): Promise<ProxyCapabilities> {
  await site.ensure();
  const at = layout(site.root);
  const made = await site.host.run(
    `umask 022\nmkdir -p ${DIRECTORIES.map((each) => quote(`${site.root}/${each}`)).join(' ')} || exit 1\n` +
      `cat ${quote(at.adminHeader)} 2>/dev/null; echo; echo '--base--'; cat ${quote(at.base)} 2>/dev/null; [ "$(cat ${quote(`${site.root}/${SUMS}`)} 2>/dev/null)" = "${sumsNow(site.root)}" ] && echo '--whole--'; true\n`,
  );
  if (made.code !== 0)
    throw new UserError(
      `The directory ${site.root} on ${site.name} cannot be written: ${made.stderr.trim()}`,
      'Give the user that runs the action the right to write it.',
    );
  const { capabilities, facts } = readProbe(
    await site.host.run(probeScript(site.command, site.moduleLines), 30_000),
    site.name,
  );
  const settings = site.settings(capabilities, facts);
  const [header = '', text = ''] = made.stdout.split('--base--\n');
  const token = /X-CD-Token: ([0-9a-f]{32})/.exec(header)?.[1] ?? randomBytes(16).toString('hex');
  const { base, files } = renderBase(settings, token);
  const hooks = await site.hooks();
  const present = text.includes(`"base": "${base}"`) && text.includes('--whole--') && hooks.size === 0;
  if (present && (await answersBase(site, base))) return capabilities;
  const main = await site.stagedMain(at.staging(`base-${base}`));
  await testStaged(site.host, site.root, `base-${base}`, site.command, main, { base: files });
  const record: BaseFile = { format: 1, base, version: capabilities.version, instant: capabilities.instant, settings };
  const write = [
    writeLines(at.adminHeader, `X-CD-Token: ${token}`, '600'),
    // The main configuration comes last: a container waits for it before it starts its Nginx.
    ...[...files]
      .filter(([path]) => path !== at.main)
      .map(([path, content]) => writeLines(path, content, path === at.admin ? '600' : '644')),
    writeLines(at.base, JSON.stringify(record, null, 2)),
    ...[...hooks].map(([path, content]) => writeLines(path, content)),
    ...[...files].filter(([path]) => path === at.main).map(([path, content]) => writeLines(path, content)),
    `echo "${sumsNow(site.root)}" > ${quote(`${site.root}/${SUMS}`)}\n`,
  ].join('');
  await takeOver(site, clock, base, write);
  return capabilities;
}

async function answersBase(site: Site, base: string): Promise<boolean> {
  const answer = await site.host.admin({ method: 'GET', path: '/base' });
  return answer.status === 200 && answer.body.trim() === base;
}

async function takeOver(site: Site, clock: Clock, base: string, write: string): Promise<void> {
  const runs = await site.host.run(
    `[ -n "${site.master}" ] && tr '\\0' ' ' < /proc/${site.master}/cmdline 2>/dev/null`,
  );
  if (/nginx: master/.test(runs.stdout)) {
    const accepts = (status: number, body: string): boolean => status === 200 && body.trim() === base;
    try {
      await reload(site, clock, `${keepPrevious(site)}${write}`, { path: '/base', accepts });
    } catch (error) {
      await site.host.run(putBack(site));
      throw error;
    }
    return;
  }
  const ran = await site.host.run(write);
  if (ran.code !== 0) throw new UserError(`${site.root} on ${site.name} cannot be written: ${ran.stderr.trim()}`);
  for (const deadline = clock.now() + START_MS; clock.now() < deadline; await clock.sleep(50))
    if (await answersBase(site, base)) return;
  throw new UserError(
    `Nginx on ${site.name} does not run, or does not read ${site.root}/http.conf: its private server does not answer.`,
    'Start it (for instance `systemctl start nginx`); if it does not start, its log says why.',
  );
}

function keepPrevious({ root }: Site): string {
  return `rm -rf ${quote(`${root}/staging/previous`)}; mkdir -p ${quote(`${root}/staging/previous/njs`)}
for f in ${SHARED} base.json ${SUMS}; do if [ -f ${quote(root)}/"$f" ]; then cp -p ${quote(root)}/"$f" ${quote(root)}/staging/previous/"$f"; fi; done
`;
}

/** The shared files as they were; those that were not there before go, so that a restart reads nothing that was refused. */
function putBack({ root }: Site): string {
  return `cd ${quote(root)} || exit 1
for f in ${SHARED} base.json ${SUMS}; do if [ -f staging/previous/"$f" ]; then mv -f staging/previous/"$f" "$f"; elif [ "$f" = http.conf ]; then : > "$f"; fi; done
`;
}
