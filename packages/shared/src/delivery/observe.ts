import { messageOf } from '../domain/errors.ts';
import { type TrafficPlan, versionsIn } from '../domain/traffic.ts';
import type { Operation } from './lease.ts';
import type { Served } from './ports.ts';

/** What Nginx answered while a step lasted. */
export interface StepShares {
  readonly plan: TrafficPlan;
  /** Null when no Nginx keeps an access log that can be read here. */
  readonly served: Served | null;
}

/** Counts a step that began at `since`, milliseconds since the epoch. Never fails a switch: what cannot be counted is only not shown. */
export async function observe(op: Operation, plan: TrafficPlan, since: number): Promise<StepShares> {
  const lasted = op.ctx.clock.now() - since;
  try {
    const counted = await Promise.all(
      op.ctx.fleet.proxies.map((proxy) => proxy.served(op.ctx.id, versionsIn(plan), lasted)),
    );
    const known = counted.filter((each) => each !== null);
    return { plan, served: known.length > 0 && known.length === counted.length ? added(known) : null };
  } catch (error) {
    op.ctx.log.debug(`The shares of this step could not be counted: ${messageOf(error)}`);
    return { plan, served: null };
  }
}

function added(counts: readonly Served[]): Served {
  const sum = (of: (served: Served) => Readonly<Record<string, number>>): Record<string, number> => {
    const total: Record<string, number> = {};
    for (const [version, count] of counts.flatMap((each) => Object.entries(of(each))))
      total[version] = (total[version] ?? 0) + count;
    return total;
  };
  return {
    requests: sum((each) => each.requests),
    newUsers: sum((each) => each.newUsers),
    cut: counts.some((each) => each.cut),
  };
}
