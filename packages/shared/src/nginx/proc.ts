import { isIPv4 } from 'node:net';

/** TCP_ESTABLISHED of the kernel's `include/net/tcp_states.h`, as /proc/net/tcp writes it. */
const ESTABLISHED = '01';

/** The remote ends of the established connections in the text of /proc/net/tcp or tcp6, as `address:port`. */
export function establishedRemotes(table: string): readonly string[] {
  const remotes: string[] = [];
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] !== ESTABLISHED) continue;
    const [address = '', port = ''] = (fields[2] ?? '').split(':');
    remotes.push(`${kernelAddress(address)}:${Number.parseInt(port, 16)}`);
  }
  return remotes;
}

/** An address as the kernel prints it: 32-bit words in host order (little endian on every platform that Docker runs on). */
function kernelAddress(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  const bytes = words.flat();
  const mapped =
    bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (bytes.length === 4 || mapped) return bytes.slice(-4).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return normalAddress(groups.join(':'));
}

/** One spelling for each address. */
export function normalAddress(address: string): string {
  if (isIPv4(address)) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** An Nginx process. */
export interface Process {
  readonly pid: number;
  /** `leaving`: an old worker that finishes what it has and accepts nothing. */
  readonly kind: 'worker' | 'leaving';
}

/**
 * Shell function `workers <master pid>`: one line `<pid> <title>` for each child of the master. A process that ends while it is looked
 * at is left out, and is no failure: scripts run this under `set -e`.
 */
export const WORKERS = `workers() {
  for d in /proc/[0-9]*; do
    { read -r stat < "$d/stat"; } 2>/dev/null || continue
    rest=\${stat##*) }
    set -- "$1" $rest
    [ "$3" = "$1" ] || continue
    title=$({ tr '\\0' ' ' < "$d/cmdline"; } 2>/dev/null) || continue
    echo "\${d#/proc/} $title"
  done
  return 0
}
`;

/** What the shell function \`workers\` printed. Cache processes are left out: they answer nobody. */
export function readWorkers(text: string): readonly Process[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+) nginx: worker process(?: (is shutting down))?/.exec(line);
    return match ? [{ pid: Number(match[1]), kind: match[2] ? ('leaving' as const) : ('worker' as const) }] : [];
  });
}
