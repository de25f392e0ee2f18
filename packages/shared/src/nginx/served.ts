import type { Served } from '../delivery/ports.ts';
import { type DeploymentId, poolName } from '../domain/names.ts';

/** So many lines of an access log are looked at: enough for a share to a fraction of a percent, and read in tens of milliseconds. */
export const TAIL = 20_000;

interface Line {
  readonly msec: number;
  readonly request_time: number;
  readonly pool: string;
  readonly fresh: number;
}

/** Counts the requests of an access log that began at or after `from`, milliseconds since the epoch. A pure function. */
export function countServed(log: string, id: DeploymentId, versions: readonly string[], from: number): Served {
  const names = new Map(versions.map((version) => [poolName(id, version), version]));
  const none = Object.fromEntries(versions.map((version) => [version, 0]));
  const requests: Record<string, number> = { ...none };
  const newUsers: Record<string, number> = { ...none };
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  const parsed = lines.map(lineOf).filter((line) => line !== null);
  for (const line of parsed) {
    const version = names.get(line.pool);
    if (version === undefined || (line.msec - line.request_time) * 1000 < from) continue;
    requests[version] = (requests[version] ?? 0) + 1;
    if (line.fresh === 1) newUsers[version] = (newUsers[version] ?? 0) + 1;
  }
  const first = parsed[0];
  return { requests, newUsers, cut: lines.length >= TAIL && first !== undefined && first.msec * 1000 > from };
}

function lineOf(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Partial<Line>;
    return typeof line.msec === 'number' && typeof line.request_time === 'number' ? (line as Line) : null;
  } catch {
    return null;
  }
}

/** What a container wrote, from the frames of Docker's log stream: a header of 8 bytes, the last four the length. */
export function unframed(log: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length; ) {
    const length = log.readUInt32BE(at + 4);
    parts.push(log.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString();
}
