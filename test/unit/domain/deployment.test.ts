import { type Deployment, findRelease, liveVersion, routableInstances } from '@cd-actions/shared/domain/deployment';
import type { Release, ReleaseState } from '@cd-actions/shared/domain/release';
import type { Target } from '@cd-actions/shared/domain/traffic';
import { describe, expect, it } from 'vitest';

const instance = {
  id: 'f'.repeat(64),
  name: 'shop-production-v1-0-x',
  host: 'local',
  address: '172.18.0.2',
  port: 8080,
};
const release = (version: string, state: ReleaseState): Release =>
  ({ version, state, instances: [instance] }) as unknown as Release;

const deployment = (targets: readonly Target[] | null): Deployment =>
  ({
    id: 'shop@production',
    releases: [release('v2', 'live'), release('v1', 'standby')],
    traffic: targets && { generation: 3, plan: { targets } },
    journal: null,
  }) as unknown as Deployment;

describe('liveVersion', () => {
  it('is the one with the largest share, and none before the first switch', () => {
    const shared = [
      { version: 'v2', weight: 10 },
      { version: 'v1', weight: 90 },
    ];
    expect(liveVersion(deployment(shared))).toBe('v1');
    expect(liveVersion(deployment(null))).toBeUndefined();
  });
});

describe('findRelease', () => {
  it('finds by the exact version', () => {
    expect(findRelease(deployment(null), 'v1')?.state).toBe('standby');
    expect(findRelease(deployment(null), 'V1')).toBeUndefined();
  });
});

describe('routableInstances', () => {
  it('are those of every release that runs', () => {
    for (const state of ['candidate', 'live', 'standby'] as const)
      expect(routableInstances(release('v1', state))).toEqual([instance]);
    expect(routableInstances(release('v1', 'stopped'))).toEqual([]);
  });
});
