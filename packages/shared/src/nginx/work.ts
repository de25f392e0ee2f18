import type { StagedConfig } from '../delivery/ports.ts';
import type { DeploymentId } from '../domain/names.ts';
import { quote } from './host.ts';
import { layout } from './layout.ts';
import type { Live } from './live.ts';
import type { Rendered, Settings, Standing } from './render.ts';

/** How long an old worker keeps a quiet client connection: `keepalive_min_timeout`, and a little for the clocks. */
export const QUIET_MS = 5_250;

/** What is known of a staged configuration between `stage` and `activate`. */
export interface Work {
  readonly staged: StagedConfig;
  readonly rendered: Rendered;
  readonly standing: Omit<Standing, 'token'>;
  readonly live: Live | null;
  /** What `apps/<id>` linked to and the plan file said when the work was staged; empty when there was none. */
  readonly link: string;
  readonly planText: string;
  readonly settings: Settings;
  /** The server blocks of what is live, by key, as they are rendered today. */
  readonly liveServers: ReadonlyMap<string, string>;
  /** The generation lies on the disk, tested. */
  written: boolean;
}

/** Shell lines by which an app may stand in a server block; its generation says whether it does. */
export function joinServer(root: string, key: string, id: DeploymentId): string {
  const members = quote(layout(root).members(key));
  return `mkdir -p ${members} && { [ -L ${members}/${quote(id)} ] || ln -s ${quote(`../../apps/${id}`)} ${members}/${quote(id)}; }\n`;
}

/** Shell lines that take the app out of a server block that its generation does not use, and remove the block after the last app. */
export function leaveServer(root: string, key: string, id: DeploymentId): string {
  const at = layout(root);
  const members = quote(at.members(key));
  const used = quote(`${at.app(id)}/locations/${key}.conf`);
  return `[ -e ${used} ] || { rm -f ${members}/${quote(id)}; if rmdir ${members} 2>/dev/null; then rm -f ${quote(at.server(key))}; fi; }`;
}

/** Server blocks of the live route that the next one does not use. Another app may still do. */
export function leftServers(work: Work): readonly string[] {
  return [...work.liveServers.keys()].filter((key) => !work.rendered.servers.has(key));
}

/** The exit code of a guard that found another run's work. */
export const OVERTAKEN = 75;

/**
 * A shell command that fails unless the app's live generation is still the one that this work was staged on, or its own. It stands in
 * the same script as the change: a run that was paused, and overtaken by another, changes nothing.
 */
export function linkGuard(root: string, { staged, link }: Work): string {
  const now = `"$(readlink ${quote(layout(root).app(staged.config.id))} 2>/dev/null)"`;
  const own = `../generations/${staged.config.id}/${staged.token}`;
  return `{ [ ${now} = ${quote(link)} ] || [ ${now} = ${quote(own)} ]; }`;
}

/** The same for the plan file: it says what it said, or `text`. */
export function planGuard(root: string, { staged, planText }: Work, text: string): string {
  const now = `"$(cat ${quote(layout(root).plan(staged.config.id))} 2>/dev/null; echo x)"`;
  return `{ [ ${now} = ${quote(`${planText}x`)} ] || [ ${now} = ${quote(`${text}x`)} ]; }`;
}
