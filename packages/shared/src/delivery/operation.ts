import type { Deployment } from '../domain/deployment.ts';
import type { Release } from '../domain/release.ts';
import { findInstances } from './hosts.ts';
import { type Held, type Purpose, withLease } from './lease.ts';
import type { Context, FoundInstance } from './ports.ts';
import { rebuild, recover } from './recover.ts';
import { publish } from './traffic.ts';

/** What a story works with while it holds the lease. `deployment` is what the registry says at this moment. */
export interface Operation extends Held {
  /** The context, its signal also aborted when the lease is lost. */
  readonly ctx: Context;
}

/**
 * Takes the lease, brings registry, hosts and Nginx to agree about whatever an earlier run left behind, then does the work.
 * Every story begins here, so the next run of any action finishes or undoes what a killed one began.
 */
export function operate<T>(ctx: Context, purpose: Purpose, work: (op: Operation) => Promise<T>): Promise<T> {
  return withLease(ctx, purpose, async (held) => {
    const leased: Context = { ...ctx, signal: held.signal };
    const op: Operation = { ...held, ctx: leased };
    const found = await findInstances(leased);
    if (isUnknown(held.deployment)) await rebuild(op, found);
    else if (held.deployment.journal) await recover(op, found);
    await followMovedInstances(op, found);
    return work({ ...op, deployment: await leased.registry.read(leased.id) });
  });
}

function isUnknown(deployment: Deployment): boolean {
  return deployment.releases.length === 0 && deployment.traffic === null && deployment.journal === null;
}

/** A restarted Docker engine gives containers other addresses: the registry and Nginx follow, moving no traffic. */
async function followMovedInstances(op: Operation, found: readonly FoundInstance[]): Promise<void> {
  const deployment = await op.ctx.registry.read(op.ctx.id);
  const moved = deployment.releases.flatMap((release) => {
    const instances = release.instances.map((instance) => {
      const now = found.find((each) => each.running && each.instance.id === instance.id)?.instance;
      return now && (now.address !== instance.address || now.port !== instance.port) ? now : instance;
    });
    const changed = instances.some((instance, index) => instance !== release.instances[index]);
    return changed ? [{ ...release, instances } satisfies Release] : [];
  });
  if (moved.length === 0) return;
  for (const release of moved)
    op.ctx.log.warning(`Instances of ${release.version} have other addresses than recorded.`);
  await op.write({ releases: moved });
  if (deployment.traffic) await publish(op, await op.ctx.registry.read(op.ctx.id));
}
