import type { Deployment } from '../domain/deployment.ts';
import type { Release } from '../domain/release.ts';
import type { RegistryChange } from './ports.ts';

/** The deployment as it stands after a write. Removals come first, so a release that is removed and given stays. */
export function applyChange(deployment: Deployment, change: RegistryChange): Deployment {
  const releases = new Map(deployment.releases.map((release) => [release.version, release]));
  for (const version of change.removeReleases ?? []) releases.delete(version);
  for (const release of change.releases ?? []) releases.set(release.version, release);
  return {
    id: deployment.id,
    releases: [...releases.values()].sort(newestFirst),
    traffic: change.traffic === undefined ? deployment.traffic : change.traffic,
    journal: change.journal === undefined ? deployment.journal : change.journal,
  };
}

function newestFirst(a: Release, b: Release): number {
  return b.order - a.order || (a.version < b.version ? 1 : -1);
}
