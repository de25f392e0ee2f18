import { dockerfileLine } from '@cd-actions/shared/gates/scan/dockerfile';
import { describeWhere } from '@cd-actions/shared/gates/scan/finding';
import type { Scanned } from './main.ts';

/** GitHub shows ten of each level a step; the line that fails the step is one of them. */
const MOST_ERRORS = 9;
const MOST_WARNINGS = 10;
const LONGEST = 1_000;

export interface Annotation {
  readonly message: string;
  readonly title: string;
  readonly line: number;
}

/** What fails the step, the most severe first. */
export function errors({ scan, dockerfile }: Scanned): readonly Annotation[] {
  return scan.decision.failing.slice(0, MOST_ERRORS).map(({ id, severity, title, detail, where, remedy }) => {
    const what = detail === '' ? title : `${title}: ${detail}`;
    const message = `${what}. Where: ${describeWhere(where)}. ${remedy}`;
    return {
      message: message.slice(0, LONGEST).toWellFormed(),
      title: `${id} (${severity})`,
      line: dockerfileLine(dockerfile, where),
    };
  });
}

/** What the user should know although it fails nothing, and why it is inconclusive. */
export function warnings({ scan }: Scanned): readonly string[] {
  const { decision, runs } = scan;
  return [
    ...decision.expired.map(({ id, until }) => `The ignore entry for ${id} expired on ${until} and is not applied.`),
    ...runs.filter(({ status }) => status === 'failed').map(({ engine, reason }) => `${engine} failed: ${reason}`),
    ...runs
      .filter(({ status, required }) => status === 'skipped' && !required)
      .map(({ engine, reason }) => `${engine} did not run: ${reason}`),
    ...runs
      .filter(({ incomplete }) => incomplete.length > 0)
      .map(({ engine, incomplete }) => `${engine} did not look for ${incomplete.join('; ')}`),
    ...decision.unused.map(({ id }) => `The ignore entry for ${id} matches no finding: remove it.`),
  ].slice(0, MOST_WARNINGS);
}
