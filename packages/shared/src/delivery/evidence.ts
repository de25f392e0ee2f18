import { findRelease } from '../domain/deployment.ts';
import { UserError } from '../domain/errors.ts';
import { formatDuration } from '../domain/grammar.ts';
import type { TrafficPlan } from '../domain/traffic.ts';
import type { Evidence } from '../domain/verdict.ts';
import type { Context, ImageFacts } from './ports.ts';

/** What must have been shown of an image before it is used. */
export interface EvidenceDemand {
  readonly gates: readonly string[];
  /** Milliseconds; 0: however old. */
  readonly maxAge: number;
}

/**
 * Every named gate must have a passing verdict for this very image, by the registry's digest or by the image id. The last verdict counts.
 * @throws UserError that names what is missing, failed or too old.
 */
export async function requireEvidence(
  ctx: Pick<Context, 'registry' | 'clock'>,
  image: Pick<ImageFacts, 'id' | 'digest'>,
  gates: readonly string[],
  maxAge = 0,
): Promise<void> {
  if (gates.length === 0) return;
  const keys = [image.id, image.digest].filter((key) => key !== '');
  const evidence = (await Promise.all(keys.map((key) => ctx.registry.evidence(key)))).flat();
  const missing = gates.flatMap((gate) => {
    const fault = faultOf(newest(evidence, gate), maxAge, ctx.clock.now());
    return fault === '' ? [] : [`${gate} (${fault})`];
  });
  if (missing.length > 0) {
    throw new UserError(
      `The image ${image.digest || image.id} lacks passing evidence: ${missing.join('; ')}.`,
      'Run the gates on this very image before, with the same `redis-url`.',
    );
  }
}

/**
 * The same of every version that a plan gives more traffic to, sends testers to or mirrors to.
 * @throws UserError for a version without it, and for one that is not registered.
 */
export async function requireEvidenceOfPlan(
  ctx: Pick<Context, 'registry' | 'clock' | 'id'>,
  planned: (deployment: Awaited<ReturnType<Context['registry']['read']>>) => { readonly plan: TrafficPlan },
  { gates, maxAge }: EvidenceDemand,
): Promise<void> {
  if (gates.length === 0) return;
  const deployment = await ctx.registry.read(ctx.id);
  const { targets, rules, mirror } = planned(deployment).plan;
  const before = new Map(deployment.traffic?.plan.targets.map(({ version, weight }) => [version, weight]));
  const gaining = targets.filter(({ version, weight }) => weight > (before.get(version) ?? 0));
  for (const version of new Set([...gaining, ...rules, ...(mirror ? [mirror] : [])].map((each) => each.version))) {
    const release = findRelease(deployment, version);
    // One that is not registered is refused by the switch itself, which knows what to say about it.
    if (release) await requireEvidence(ctx, { id: release.imageId, digest: release.digest }, gates, maxAge);
  }
}

function newest(evidence: readonly Evidence[], gate: string): Evidence | undefined {
  return evidence
    .filter((each) => each.gate === gate)
    .reduce<Evidence | undefined>((last, each) => {
      const order = last === undefined ? 1 : Date.parse(each.at) - Date.parse(last.at);
      // Of two verdicts of the same instant the worse one stands.
      return order > 0 || (order === 0 && each.verdict !== 'pass') ? each : last;
    }, undefined);
}

/** Why the evidence does not do; empty when it does. An instant that cannot be read is too old. */
function faultOf(evidence: Evidence | undefined, maxAge: number, now: number): string {
  if (!evidence) return 'never ran for this image';
  if (evidence.verdict !== 'pass') return evidence.verdict;
  const age = now - Date.parse(evidence.at);
  if (maxAge === 0 || age <= maxAge) return '';
  const since = Number.isNaN(age) ? 'at an unknown time' : `at ${evidence.at}`;
  return `passed ${since}, which is longer ago than ${formatDuration(maxAge)}`;
}
