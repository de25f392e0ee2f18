import type { StagedConfig } from '../delivery/ports.ts';
import { quote } from './host.ts';
import { layout } from './layout.ts';
import type { Live } from './live.ts';
import type { Rendered, Settings } from './render.ts';

/** How long an old worker keeps a quiet client connection: `keepalive_min_timeout`, and a little for the clocks. */
export const QUIET_MS = 5_250;

/** What is known of a staged configuration between `stage` and `activate`. */
export interface Work {
  readonly staged: StagedConfig;
  readonly rendered: Rendered;
  readonly live: Live | null;
  readonly settings: Settings;
  /** The server blocks of what is live, by key, as they are rendered today. */
  readonly liveServers: ReadonlyMap<string, string>;
  /** The generation lies on the disk, tested. */
  written: boolean;
}

/** Shell lines that remove a server block when no app stands in it any more. */
export function removeUnused(root: string, key: string): string {
  return `ls ${quote(root)}/apps/*/locations/${quote(`${key}.conf`)} >/dev/null 2>&1 || rm -f ${quote(layout(root).server(key))}`;
}

/** Server blocks of the live route that the next one does not use. Another app may still do. */
export function leftServers(work: Work): readonly string[] {
  return [...work.liveServers.keys()].filter((key) => !work.rendered.servers.has(key));
}
