import { type Deployment, liveVersion } from '../domain/deployment.ts';
import type { Release } from '../domain/release.ts';
import { versionsIn } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { engineOf } from './hosts.ts';
import type { Operation } from './lease.ts';
import { publish } from './traffic.ts';

/** So many stopped releases are kept to roll back to. */
export const RETAINED = 5;

/**
 * Removes what can no longer be of use: stopped releases beyond the newest few, and candidates and failed releases older than what is
 * live. Only ever touches the containers of this deployment's own releases.
 */
export async function pruneReleases(op: Operation): Promise<readonly string[]> {
  const deployment = await op.ctx.registry.read(op.ctx.id);
  const useless = uselessReleases(deployment);
  if (useless.length === 0) return [];
  const versions = useless.map((release) => release.version);
  await op.write({
    removeReleases: versions,
    events: useless.map((release) => eventOf(op.ctx, 'removed', release.version, whyPruned(release, deployment))),
  });
  if (useless.some((release) => release.state !== 'stopped')) await publish(op, await op.ctx.registry.read(op.ctx.id));
  await Promise.all(
    useless.flatMap((release) =>
      release.instances.map((instance) => engineOf(op, instance.host)?.remove(instance, release.spec.stopTimeout)),
    ),
  );
  return versions;
}

function whyPruned(release: Release, deployment: Deployment): string {
  return release.state === 'stopped'
    ? 'pruned'
    : `pruned: it is older than ${liveVersion(deployment)}, which went live`;
}

/** Pure: which releases `pruneReleases` removes. */
export function uselessReleases(deployment: Deployment): readonly Release[] {
  const serving = deployment.traffic ? versionsIn(deployment.traffic.plan) : [];
  const live = deployment.releases.find((release) => release.version === liveVersion(deployment));
  if (!live) return [];
  const idle = deployment.releases.filter((release) => !serving.includes(release.version));
  const stopped = idle.filter((release) => release.state === 'stopped').sort((a, b) => b.order - a.order);
  const overtaken = idle.filter(
    (release) => (release.state === 'candidate' || release.state === 'failed') && release.order < live.order,
  );
  return [...stopped.slice(RETAINED), ...overtaken];
}
