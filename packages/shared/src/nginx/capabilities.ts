import type { ProxyCapabilities } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import type { Ran } from './host.ts';

/** What the program says of itself. */
export interface Facts {
  readonly version: string;
  /** Values of `nginx -V`'s configure arguments, such as `modules-path`. */
  readonly built: Readonly<Record<string, string>>;
  /** The `load_module` lines under which the probe was made. */
  readonly modules: readonly string[];
  readonly user: string | null;
}

/** The oldest Nginx whose directives the rendered configuration can do with: `keepalive_timeout` in an upstream group. */
const OLDEST = '1.15.3';

const MARK = '----8<----';

/**
 * A script that asks the program for its version, and by testing a configuration whether njs has shared dictionaries: the module's
 * own version is nowhere to be read without loading it.
 */
export function probeScript(command: string, moduleLines: string): string {
  return `d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
${command} -V 2>&1 </dev/null || exit 127
echo '${MARK}'
{ ${moduleLines}
} > "$d/modules" 2>/dev/null
cat "$d/modules"
echo '${MARK}'
sed -n 's/^[[:space:]]*user[[:space:]]\\{1,\\}\\([A-Za-z0-9_-]*\\).*;.*/\\1/p' /etc/nginx/nginx.conf 2>/dev/null | head -n 1
echo '${MARK}'
{ cat "$d/modules"; echo "pid $d/pid; error_log stderr; events {} http { access_log off; js_shared_dict_zone zone=cd_probe:1m type=string; }"; } > "$d/probe.conf"
if ${command.replace(/ -c .*$/, '')} -t -c "$d/probe.conf" </dev/null >/dev/null 2>&1; then echo instant; else echo reload; fi
`;
}

/** Reads what the probe printed. Throws `UserError` when there is no Nginx or it is too old. */
export function readProbe(ran: Ran, name: string): { capabilities: ProxyCapabilities; facts: Facts } {
  const [about = '', modules = '', user = '', instant = ''] = ran.stdout.split(`${MARK}\n`);
  const version = /nginx version: \S*?\/(\d+\.\d+\.\d+)/.exec(about)?.[1];
  if (version === undefined)
    throw new UserError(
      `There is no Nginx to be run on ${name}: ${(ran.stderr || about).trim().slice(0, 300)}`,
      'Install Nginx, or name its program in `nginx-binary` or another image in `nginx-image`.',
    );
  if (!atLeast(version, OLDEST))
    throw new UserError(`Nginx ${version} on ${name} is older than ${OLDEST}.`, 'Use a newer Nginx.');
  const built = Object.fromEntries(
    [...about.matchAll(/--([a-z-]+)=(\S+)/g)].map(([, key = '', value = '']) => [key, value]),
  );
  return {
    capabilities: capabilitiesOf(version, instant.trim() === 'instant'),
    facts: { version, built, modules: modules.split('\n').filter(Boolean), user: user.trim() || null },
  };
}

export function capabilitiesOf(version: string, instant: boolean): ProxyCapabilities {
  return { version, instant, gracefulReload: atLeast(version, '1.27.4') };
}

/** Compares dotted version numbers. */
export function atLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((each) => each.split('.').map(Number)) as [number[], number[]];
  const first = b.findIndex((part, index) => part !== (a[index] ?? 0));
  return first === -1 || (a[first] ?? 0) > (b[first] ?? 0);
}
