import type { Deployment, Journal } from '../domain/deployment.ts';
import { DeliveryError } from '../domain/errors.ts';
import type { Release } from '../domain/release.ts';
import { type TrafficPlan, weightOf } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { engineOf } from './hosts.ts';
import type { Operation } from './lease.ts';
import type { FoundInstance } from './ports.ts';
import { retire } from './retire.ts';
import { publish, returnEverywhere } from './traffic.ts';

/**
 * Finishes or undoes what the journal says was under way when an earlier run died. A move of traffic that was not finished is undone;
 * one that only had to drain is finished. Containers that no release claims are removed. The journal stays until all is done.
 */
export async function recover(op: Operation, found: readonly FoundInstance[]): Promise<void> {
  const { journal } = op.deployment;
  if (!journal) return;
  op.ctx.log.warning(
    `An earlier ${journal.operation} of ${journal.version} (${journal.run.url}) did not finish in phase ${journal.phase}; it is put in order first.`,
  );
  // What stopped the earlier run may have been an Nginx. One that cannot be made ready says so below.
  await Promise.allSettled(op.ctx.fleet.proxies.map((proxy) => proxy.prepare()));
  if (journal.phase === 'activating') await undo(op, journal);
  else {
    // Also while draining: a run whose commit was not confirmed to it may have returned the traffic that the registry has moved.
    await publish(op, op.deployment);
    await retire(op, journal.retiring);
  }
  await removeUnclaimed(op, await op.ctx.registry.read(op.ctx.id), found);
  await Promise.all(op.ctx.fleet.engines.map((engine) => engine.sweep(op.ctx.id)));
  const detail = `${journal.operation} in phase ${journal.phase}`;
  await op.write({
    journal: null,
    events: [eventOf(op.ctx, 'recovered', journal.version, detail, journal.reason)],
  });
}

/** Every Nginx goes back to the traffic before the operation, under a generation of its own. */
async function undo(op: Operation, journal: Journal): Promise<void> {
  const generation = Math.max(journal.from?.generation ?? 0, op.deployment.traffic?.generation ?? 0) + 1;
  const traffic = journal.from ? { ...journal.from, generation } : null;
  const returned = await returnEverywhere(op, op.deployment, traffic);
  if (!returned.complete)
    throw new DeliveryError(
      `An earlier ${journal.operation} of ${journal.version} could not be undone. ${returned.failures}`,
      'All other hosts have the traffic of before it. Put right what is named, and run any action again.',
    );
  if (traffic) await op.write({ traffic, releases: statesUnder(op.deployment, traffic.plan) });
}

/** The releases whose state changes when the plan is live. A failed release stays marked until it is verified. */
export function statesUnder(deployment: Deployment, plan: TrafficPlan): readonly Release[] {
  return deployment.releases.flatMap((release): Release[] => {
    if (release.state === 'failed') return [];
    const live = weightOf(plan, release.version) > 0;
    if (live) return release.state === 'live' ? [] : [{ ...release, state: 'live' }];
    return release.state === 'live' ? [{ ...release, state: 'standby' }] : [];
  });
}

/** Removes containers of this deployment that no registered release claims: left by a run that died while starting them. */
export async function removeUnclaimed(
  op: Operation,
  deployment: Deployment,
  found: readonly FoundInstance[],
): Promise<void> {
  const claimed = new Set(deployment.releases.flatMap((release) => release.instances.map((instance) => instance.id)));
  const unclaimed = found.filter((each) => !claimed.has(each.instance.id));
  if (unclaimed.length > 0) await op.confirm();
  for (const { instance, version } of unclaimed) {
    op.ctx.log.warning(`Removing ${instance.name} of ${version}: no registered release claims it.`);
    await engineOf(op, instance.host)?.remove(instance, 0);
  }
}
