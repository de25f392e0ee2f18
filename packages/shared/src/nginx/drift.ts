import { writeLines } from './host.ts';
import { layout } from './layout.ts';
import { type Live, SHARED } from './live.ts';
import { planFile, planText } from './plan-file.ts';
import { type Rendered, render, type Settings } from './render.ts';

/** What lies on a host otherwise than the suite wrote it, for people. */
export interface Drift {
  /** Files that only a reload would read: of the app's generation, its server blocks, and what all apps share. */
  readonly files: readonly string[];
  /** The plan file, which a restart would read. */
  readonly plan: readonly string[];
}

const NONE: Drift = { files: [], plan: [] };

/** Compares what lies there with what the generation's own record renders to. A pure function. */
export function driftOf(live: Live | null, settings: Settings, baseChanged: boolean): Drift {
  if (live === null) return NONE;
  const shared = baseChanged ? [`the shared configuration (${SHARED}) is not as it was written`] : [];
  const expected = again(live, settings);
  const files = expected
    ? [...filesOf(expected)]
        .filter(([name, text]) => live.files.get(name)?.trimEnd() !== text.trimEnd())
        .map(([name]) => `${name} ${live.files.has(name) ? 'was changed by hand' : 'is gone'}`)
    : [];
  return { files: [...shared, ...files.map((line) => `${live.generation.config.id}: ${line}`)], plan: planDrift(live) };
}

function planDrift({ generation, plan, planText: text }: Live): readonly string[] {
  if (!generation.instant) return [];
  const { id } = generation.config;
  if (text === null) return [`${id}: the plan file is gone`];
  const written = plan && planText(planFile(id, plan.generation, plan.plan));
  return written === text ? [] : [`${id}: the plan file is not as it was written`];
}

/** The generation rendered once more; null when it was made by another version of the suite, which renders otherwise. */
function again(live: Live, settings: Settings): Rendered | null {
  const { config, standing, token, structure } = live.generation;
  if (!standing) return null;
  const rendered = render(config, settings, { ...standing, token });
  return rendered.structure === structure ? rendered : null;
}

function filesOf({ files, servers }: Rendered): ReadonlyMap<string, string> {
  return new Map([...files, ...[...servers].map(([key, text]) => [`servers/${key}.conf`, text] as const)]);
}

/**
 * Shell lines that write the files of an app's live generation again as they were; empty when they cannot be rendered. The same token
 * means the same bytes, so whoever else writes them at this moment writes the same.
 */
export function repairLines(root: string, live: Live, settings: Settings): string {
  const expected = again(live, settings);
  if (!expected) return '';
  const at = layout(root);
  const { config, token } = live.generation;
  const home = at.generation(config.id, token);
  return [
    ...[...expected.files].map(([name, text]) => writeLines(`${home}/${name}`, text)),
    ...[...expected.servers].map(([key, text]) => writeLines(at.server(key), text)),
  ].join('');
}
