import { StaleLeaseError } from '../domain/errors.ts';
import { attempt, findInstances } from './hosts.ts';
import { type Operation, type Purpose, withLease } from './lease.ts';
import type { Context } from './ports.ts';
import { isUnknown, rebuild } from './rebuild.ts';
import { reconcile } from './reconcile.ts';
import { recover } from './recover.ts';

export interface OperateOptions {
  /** The work touches no host: what cannot be put in order on them is only warned of. */
  readonly registryAlone?: boolean;
}

/**
 * Takes the lease, brings registry, hosts and Nginx to agree about whatever an earlier run or the world left behind, then does the
 * work. Every story begins here, so the next run of any action finishes or undoes what a killed one began.
 */
export function operate<T>(
  ctx: Context,
  purpose: Purpose,
  work: (op: Operation) => Promise<T>,
  options: OperateOptions = {},
): Promise<T> {
  return withLease(ctx, purpose, async (held) => {
    const op: Operation = { ...held, ctx: { ...ctx, signal: held.signal } };
    if (options.registryAlone) await attempt(op, 'Not everything could be put in order', () => putInOrder(op));
    else await putInOrder(op);
    if (held.signal.reason instanceof StaleLeaseError) throw held.signal.reason;
    return work({ ...op, deployment: await ctx.registry.read(ctx.id) });
  });
}

async function putInOrder(op: Operation): Promise<void> {
  const found = await findInstances(op.ctx);
  if (isUnknown(op.deployment)) await rebuild(op, found);
  else if (op.deployment.journal) await recover(op, found);
  await reconcile(op, found);
}
