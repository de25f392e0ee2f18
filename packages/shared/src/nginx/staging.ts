import { DeliveryError } from '../domain/errors.ts';
import type { DeploymentId } from '../domain/names.ts';
import { type NginxHost, quote, writeLines } from './host.ts';
import { layout } from './layout.ts';
import type { Rendered } from './render.ts';
import { joinServer, leaveServer } from './work.ts';

/** What a test is to see instead of what is live. */
export interface Replacement {
  /** Shared files by absolute path. */
  readonly base?: ReadonlyMap<string, string>;
  readonly app?: {
    readonly id: DeploymentId;
    readonly token: string;
    readonly rendered: Rendered;
    /** Servers that the app leaves; they go when it was the last. */
    readonly left: readonly string[];
    readonly record: string;
  };
}

const LISTENS = '----listens----';

/**
 * A script that builds a tree like the live one with the replacement in it, and tests the whole. Generations of other apps are linked,
 * not copied; each path of ours in the shared files is turned to the tree. The app's generation is written where it will live, but
 * nothing links to it yet.
 */
export function stagingScript(
  root: string,
  token: string,
  command: string,
  main: { readonly path: string; readonly content: string } | null,
  replacement: Replacement,
): string {
  const at = layout(root);
  const tree = at.staging(token);
  const [program = ''] = command.split(' -c ');
  const mainPath = main?.path ?? `${tree}/nginx.conf`;
  return `set -e
umask 022
mkdir -p ${quote(`${tree}/njs`)}
trap 'rm -rf ${quote(tree)} ${main ? quote(main.path) : ''}' EXIT
cd ${quote(root)}
ln -s ${quote(`${root}/generations`)} ${quote(`${tree}/generations`)}
for f in nginx.conf http.conf admin.conf njs/traffic.js; do if [ -f "$f" ]; then cp -p "$f" ${quote(tree)}/"$f"; fi; done
cp -R -P apps servers members ${quote(`${tree}/`)}
${[...(replacement.base ?? [])].map(([path, content]) => writeLines(path.replace(root, tree), content, '600')).join('')}
${replacement.app ? appLines(root, tree, replacement.app) : ''}
set -- nginx.conf http.conf admin.conf servers/*.conf
cd ${quote(tree)}
for f do shift; if [ -f "$f" ]; then set -- "$@" "$f"; fi; done
sed -i ${quote(`/ssl_certificate/!s#${root}/\\([a-z]\\)#${tree}/\\1#g`)} "$@"
${main ? writeLines(main.path, main.content) : ''}
echo '${LISTENS}'
cat servers/*.conf 2>/dev/null | sed -n 's/^ *\\(listen .*\\);$/\\1/p' | sort -u
${program} -t -c ${quote(mainPath)} </dev/null
`;
}

function appLines(root: string, tree: string, app: NonNullable<Replacement['app']>): string {
  const at = layout(root);
  const home = at.generation(app.id, app.token);
  const files = [...app.rendered.files].map(([name, content]) =>
    // The admin part tells no secret, but only the master has to read any of it.
    writeLines(`${home}/${name}`, content),
  );
  const servers = [...app.rendered.servers].flatMap(([key, content]) => [
    joinServer(tree, key, app.id),
    writeLines(`${tree}/servers/${key}.conf`, content),
  ]);
  return `mkdir -p ${quote(`${home}/locations`)}
${files.join('')}${writeLines(`${home}/config.json`, app.record)}${servers.join('')}
rm -f ${quote(`${tree}/apps/${app.id}`)}
ln -s ${quote(`../generations/${app.id}/${app.token}`)} ${quote(`${tree}/apps/${app.id}`)}
${app.left.map((key) => leaveServer(tree, key, app.id)).join('\n')}
`;
}

/** Nginx refuses a configuration. `culprit` is the app whose file it complains of, when that can be told. */
export class Refusal extends DeliveryError {
  readonly culprit: string | null;
  constructor(culprit: string | null, message: string, serving: string) {
    super(message, serving);
    this.culprit = culprit;
  }
}

/** Tests a replacement with the real Nginx. Throws `DeliveryError` with Nginx's own words when it is refused. */
export async function testStaged(
  host: NginxHost,
  root: string,
  token: string,
  command: string,
  main: { readonly path: string; readonly content: string } | null,
  replacement: Replacement,
): Promise<void> {
  const ran = await host.run(stagingScript(root, token, command, main, replacement), 60_000);
  const words = ran.stderr.replaceAll(layout(root).staging(token), root).trim();
  const [, listens = ''] = ran.stdout.split(`${LISTENS}\n`);
  const clash = ran.code === 0 ? (clashingListen(listens) ?? conflictingName(words, replacement)) : null;
  if (ran.code === 0 && clash === null) return;
  const own = replacement.app?.id;
  const culprit = clash === null ? await culpritOf(host, root, words, own) : null;
  const said = clash ?? emergencies(words);
  throw new Refusal(
    culprit,
    culprit && culprit !== own
      ? `Nginx refuses the whole configuration because of the app ${culprit}, which is live already: ${said}`
      : `Nginx refuses the configuration${own ? ` of ${own}` : ''}: ${said}`,
    'Nothing live was changed.',
  );
}

/** The lines that say why, without what Nginx says on every test. */
export function emergencies(words: string): string {
  const lines = words.split('\n').filter((line) => line.trim() !== '');
  const emergencies = lines.filter((line) => line.includes('[emerg]'));
  return (emergencies.length > 0 ? emergencies : lines.slice(-10))
    .map((line) => line.replace(/^.*?(?=\[emerg\])/, '').trim())
    .join('\n');
}

/** One address cannot be both plain and TLS: Nginx takes it for TLS altogether, and the plain app would answer nobody. */
function clashingListen(listens: string): string | null {
  const plain = new Set<string>();
  const tls = new Set<string>();
  for (const line of listens.split('\n')) {
    const [, address = '', ...options] = line.trim().split(' ');
    if (address !== '') (options.includes('ssl') ? tls : plain).add(address);
  }
  const both = [...tls].find((address) => plain.has(address));
  return both === undefined
    ? null
    : `\`listen ${both}\` is used with TLS by one app and without it by another; one of them needs another \`listen\` or the same \`tls-certificate\`.`;
}

/** Nginx only warns of a second server of the same name, and ignores it. */
function conflictingName(words: string, replacement: Replacement): string | null {
  const names = [...words.matchAll(/conflicting server name "([^"]*)" on (\S+), ignored/g)];
  const servers = [...(replacement.app?.rendered.servers.values() ?? [])].join('\n');
  const ours = names.find(([, name]) => servers.includes(`server_name ${name};`));
  return ours
    ? `another server answers for \`${ours[1]}\` on ${ours[2]} already, with another certificate or in a configuration of the host's own.`
    : null;
}

/** The app that a message of Nginx is about, when it can be told. */
async function culpritOf(
  host: NginxHost,
  root: string,
  words: string,
  own: DeploymentId | undefined,
): Promise<string | null> {
  const emergency = words.split('\n').find((line) => line.includes('[emerg]')) ?? '';
  const named = /\/(?:apps|generations)\/([a-z0-9-]+@[a-z0-9-]+)\//.exec(emergency)?.[1];
  const duplicate = /duplicate location/.test(emergency);
  if (named !== undefined && !(duplicate && named === own)) return duplicate ? null : named;
  if (duplicate) return null;
  const server = /\/servers\/([^/\s]+)\.conf/.exec(emergency)?.[1];
  const file = /"(\/[^"]+)"/.exec(emergency)?.[1];
  if (server === undefined && file === undefined) return null;
  const keys = server
    ? `set -- ${quote(`servers/${server}.conf`)}`
    : `set -- $(grep -lF ${quote(file ?? '')} servers/*.conf 2>/dev/null)`;
  const ran = await host.run(
    `cd ${quote(root)} || exit 1\n${keys}\nfor s do ls -d apps/*/locations/"\${s#servers/}" 2>/dev/null; done | sed 's#^apps/##; s#/.*##' | sort -u\n`,
  );
  const apps = ran.stdout.split('\n').filter(Boolean);
  return apps.find((app) => app !== own) ?? null;
}
