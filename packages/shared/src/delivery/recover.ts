import type { Deployment, Journal } from '../domain/deployment.ts';
import type { Release } from '../domain/release.ts';
import { type TrafficPlan, weightOf } from '../domain/traffic.ts';
import { engineOf } from './hosts.ts';
import type { Operation } from './operation.ts';
import type { FoundInstance, ProxyConfig } from './ports.ts';
import { retire } from './retire.ts';
import { applyEverywhere, publish } from './traffic.ts';

/**
 * Finishes or undoes what the journal says was under way when an earlier run died. A move of traffic that was not finished is undone;
 * one that only had to drain is finished. Containers that no release claims are removed.
 */
export async function recover(op: Operation, found: readonly FoundInstance[]): Promise<void> {
  const { journal } = op.deployment;
  if (!journal) return;
  op.ctx.log.warning(
    `An earlier ${journal.operation} of ${journal.version} (${journal.run.url}) did not finish in phase ${journal.phase}; it is put in order first.`,
  );
  if (journal.phase === 'draining') await retire(op, journal.retiring);
  else await undo(op, journal);
  await removeUnclaimed(op, await op.ctx.registry.read(op.ctx.id), found);
  await op.write({ journal: null, events: [recoveredEvent(op, journal)] });
}

/** Every Nginx goes back to the traffic before the operation, under a generation of its own. */
async function undo(op: Operation, journal: Journal): Promise<void> {
  if (journal.phase === 'intent') return publish(op, op.deployment);
  if (!journal.from) {
    await Promise.all(op.ctx.fleet.proxies.map((proxy) => proxy.forget(op.ctx.id)));
    return;
  }
  const generation = Math.max(journal.from.generation, op.deployment.traffic?.generation ?? 0) + 1;
  const traffic = { ...journal.from, generation };
  await applyEverywhere(op.ctx, op.deployment, traffic);
  await op.write({ traffic, releases: statesUnder(op.deployment, traffic.plan) });
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
  for (const { instance, version } of found.filter((each) => !claimed.has(each.instance.id))) {
    op.ctx.log.warning(`Removing ${instance.name} of ${version}: no registered release claims it.`);
    await engineOf(op, instance.host)?.remove(instance, 0);
  }
}

/**
 * Rebuilds a registry that knows nothing of a deployment which the hosts do know: releases from the labels of containers, traffic
 * from the last configuration that each Nginx activated. What serves is not touched.
 */
export async function rebuild(op: Operation, found: readonly FoundInstance[]): Promise<void> {
  const configs = (
    await Promise.all(op.ctx.fleet.proxies.map((proxy) => proxy.lastKnownGood(op.ctx.id).catch(() => null)))
  ).filter((config) => config !== null);
  if (found.length === 0 && configs.length === 0) return;
  const newest = [...configs].sort((a, b) => b.generation - a.generation)[0];
  const releases = releasesFrom(found, newest);
  if (releases.length === 0) return;
  const serving = newest?.plan.targets.every((target) =>
    releases.some((release) => release.version === target.version),
  );
  op.ctx.log.warning(
    `The registry knows nothing of ${op.ctx.id}: rebuilt ${releases.length} release(s) from the hosts.`,
  );
  await op.write({
    releases,
    ...(newest && serving
      ? { traffic: { generation: newest.generation, route: newest.route, plan: newest.plan } }
      : {}),
    events: [
      {
        at: new Date(op.ctx.clock.now()).toISOString(),
        event: 'reconciled',
        version: newest?.plan.targets[0]?.version ?? '',
        detail: 'registry rebuilt from the hosts',
        reason: '',
        run: op.ctx.run,
      },
    ],
  });
}

function releasesFrom(found: readonly FoundInstance[], config: ProxyConfig | undefined): readonly Release[] {
  const byVersion = new Map<string, Release>();
  for (const { release, instance, running } of found) {
    if (!release) continue;
    const known = byVersion.get(release.version);
    const weight = config?.plan.targets.find((target) => target.version === release.version)?.weight ?? 0;
    const state = weight > 0 ? 'live' : running ? 'standby' : 'stopped';
    byVersion.set(release.version, { ...release, state, instances: [...(known?.instances ?? []), instance] });
  }
  return [...byVersion.values()];
}

function recoveredEvent(
  op: Operation,
  journal: Journal,
): NonNullable<Parameters<Operation['write']>[0]['events']>[number] {
  return {
    at: new Date(op.ctx.clock.now()).toISOString(),
    event: 'recovered',
    version: journal.version,
    detail: `${journal.operation} in phase ${journal.phase}`,
    reason: journal.reason,
    run: op.ctx.run,
  };
}
