import type { Retirement } from '../domain/deployment.ts';
import { gaining, type Route, shift, type TrafficPlan, versionsIn, weightOf } from '../domain/traffic.ts';
import type { Operation } from './lease.ts';

export type KeepPrevious = Retirement['keep'];

/** Where a move of traffic leads. */
export interface Wanted {
  readonly route: Route;
  readonly plan: TrafficPlan;
  /** Candidates that are given up: their traffic ends at once, and they are removed. */
  readonly abandoned?: readonly string[];
}

/** The plan at each step: growing weights of the version that gains when others are live, then the wished plan. */
export function plansOnTheWay(
  current: TrafficPlan | null,
  wanted: TrafficPlan,
  steps: readonly number[],
): readonly TrafficPlan[] {
  const target = gaining(current, wanted);
  if (!current || !target || wanted.maintenance || current.maintenance) return [wanted];
  const from = weightOf(current, target.version);
  const onTheWay = steps.filter((weight) => weight > from && weight < target.weight);
  return [...onTheWay.map((weight) => ({ ...wanted, targets: shift(current, target.version, weight) })), wanted];
}

/**
 * What loses its last share by the plan is kept as wished; what earlier switches left warm is stopped. Nothing retires while
 * several versions share the traffic: which of them stays is not decided yet.
 */
export function retiringUnder(
  op: Operation,
  { plan, abandoned = [] }: Wanted,
  request: { readonly keepPrevious: KeepPrevious; readonly drainTimeout: number },
): readonly Retirement[] {
  const deadline = op.ctx.clock.now() + request.drainTimeout;
  const before = op.deployment.traffic ? versionsIn(op.deployment.traffic.plan) : [];
  const serving = versionsIn(plan);
  const left = before.filter((version) => !serving.includes(version) && !abandoned.includes(version));
  const warm = op.deployment.releases.filter((release) => release.state === 'standby').map((each) => each.version);
  const older = serving.length > 1 || abandoned.length > 0 ? [] : warm.filter((version) => !serving.includes(version));
  const keepOlder = request.keepPrevious === 'none' ? 'none' : 'stopped';
  return [
    ...abandoned.map((version): Retirement => ({ version, deadline, keep: 'none', forget: true })),
    ...left.map((version): Retirement => ({ version, deadline, keep: request.keepPrevious })),
    ...older
      .filter((version) => !left.includes(version) && !abandoned.includes(version))
      .map((version): Retirement => ({ version, deadline, keep: keepOlder })),
  ];
}
