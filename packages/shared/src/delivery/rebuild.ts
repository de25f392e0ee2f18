import type { Deployment } from '../domain/deployment.ts';
import type { Release } from '../domain/release.ts';
import { type Traffic, versionsIn, weightOf } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import type { Operation } from './lease.ts';
import type { FoundInstance, ProxyConfig } from './ports.ts';
import { reachable } from './reachable.ts';

/** What the registry knows nothing of: a deployment that is new, or one whose registry was lost. */
export function isUnknown(deployment: Deployment): boolean {
  return deployment.releases.length === 0 && deployment.traffic === null && deployment.journal === null;
}

/**
 * Rebuilds a registry that knows nothing of a deployment which the hosts do know: releases from the labels of containers, traffic
 * from the last configuration that each Nginx activated. What serves is not touched. A host that does not tell fails the
 * run: what is written here is taken for the truth from now on.
 */
export async function rebuild(op: Operation, found: readonly FoundInstance[]): Promise<void> {
  if (found.length === 0) return;
  const configs = await Promise.all(
    op.ctx.fleet.proxies.map((proxy) => reachable(op, proxy, () => proxy.lastKnownGood(op.ctx.id))),
  );
  const traffic = newestTraffic(configs);
  const releases = releasesFrom(found, traffic);
  if (releases.length === 0) return;
  const known = releases.map((release) => release.version);
  const serves = traffic !== null && versionsIn(traffic.plan).every((version) => known.includes(version));
  op.ctx.log.warning(
    `The registry knows nothing of ${op.ctx.id}: rebuilt ${releases.length} release(s) from the hosts. ` +
      'Which of them were verified is not known any more, except by what the containers say.',
  );
  await op.write({
    releases,
    ...(serves ? { traffic } : {}),
    events: [eventOf(op.ctx, 'reconciled', traffic?.plan.targets[0]?.version ?? '', 'registry rebuilt from the hosts')],
  });
}

/** The traffic of the highest generation that an Nginx was told. */
export function newestTraffic(configs: readonly (ProxyConfig | null)[]): Traffic | null {
  const [newest] = configs.filter((config) => config !== null).sort((a, b) => b.generation - a.generation);
  return newest ? { generation: newest.generation, route: newest.route, plan: newest.plan } : null;
}

/**
 * One release for each version that containers carry. Labels are written when a container is made and never again, so the state comes
 * from what serves and runs: what is newer than all that serves is taken for a candidate, so that it cannot be overtaken.
 */
export function releasesFrom(found: readonly FoundInstance[], traffic: Traffic | null): readonly Release[] {
  const labelled = found.flatMap(({ release, instance, running }) => (release ? [{ release, instance, running }] : []));
  const weight = (version: string): number => (traffic ? weightOf(traffic.plan, version) : 0);
  const served = labelled.filter((each) => weight(each.release.version) > 0).map((each) => each.release.order);
  const newest = Math.max(Number.NEGATIVE_INFINITY, ...served);
  return [...new Map(labelled.map((each) => [each.release.version, each.release])).values()].map((release) => {
    const own = labelled.filter((each) => each.release.version === release.version);
    const idle = !own.some((each) => each.running) ? 'stopped' : release.order > newest ? 'candidate' : 'standby';
    return {
      ...release,
      state: weight(release.version) > 0 ? ('live' as const) : (idle as Release['state']),
      instances: own.map((each) => each.instance),
    };
  });
}
