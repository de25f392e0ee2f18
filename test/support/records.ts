import type { LeaseHolder } from '@cd-actions/shared/delivery/ports';
import type { HistoryEvent, Journal } from '@cd-actions/shared/domain/deployment';
import type { Release } from '@cd-actions/shared/domain/release';
import type { RunIdentity } from '@cd-actions/shared/domain/run';
import type { Traffic } from '@cd-actions/shared/domain/traffic';
import type { Evidence } from '@cd-actions/shared/domain/verdict';

/** Whole records for tests of what stores or shows them. */
export function aRun(id: string): RunIdentity {
  return { actor: id, url: `https://github.test/acme/shop/actions/runs/${id}`, sha: 'c0ffee', id };
}

export function aHolder(id: string): LeaseHolder {
  const since = '2030-01-01T00:00:00.000Z';
  return { run: aRun(id), operation: 'switch', version: '2.0.0', reason: 'a release', since };
}

export function aRelease(version: string, order: number): Release {
  return {
    version,
    image: `ghcr.io/acme/shop:${version}`,
    imageId: `sha256:${'1'.repeat(64)}`,
    digest: `sha256:${'2'.repeat(64)}`,
    order,
    state: 'candidate',
    verifiedAt: '',
    registeredAt: '2030-01-01T00:00:00.000Z',
    spec: {
      image: `ghcr.io/acme/shop:${version}`,
      port: 8080,
      replicas: 2,
      env: { MODE: 'production' },
      secretEnv: ['TOKEN'],
      command: [],
      volumes: [],
      networks: [],
      memory: 268_435_456,
      cpus: 0.5,
      labels: {},
      logDriver: '',
      logOptions: {},
      stopTimeout: 30_000,
      health: { path: '/health', port: 8080, status: [[200, 299]], timeout: 60_000, interval: 500, stable: 2_000 },
    },
    instances: [
      { id: 'a'.repeat(64), name: `shop-production-${version}-0`, host: 'local', address: '172.18.0.5', port: 8080 },
    ],
    run: aRun('1'),
  };
}

export function aTraffic(generation: number, version: string): Traffic {
  return {
    generation,
    route: { listen: ['80'], serverName: ['_'], pathPrefix: '/', tls: null, template: null },
    plan: { targets: [{ version, weight: 100 }], rules: [], sticky: true, mirror: null, maintenance: null },
  };
}

export function aJournal(version: string): Journal {
  return {
    operation: 'switch',
    phase: 'activating',
    version,
    from: aTraffic(1, '1.0.0'),
    retiring: [{ version: '1.0.0', keep: 'running', deadline: 1_900_000_000_000 }],
    startedAt: '2030-01-01T00:00:00.000Z',
    run: aRun('1'),
    reason: 'a release',
  };
}

export function anEvent(version: string): HistoryEvent {
  return {
    at: '2030-01-01T00:00:00.000Z',
    event: 'switched',
    version,
    detail: 'to 100 %',
    reason: 'a release',
    run: aRun('1'),
  };
}

export function anEvidence(gate: string, verdict: Evidence['verdict']): Evidence {
  return {
    gate,
    verdict,
    at: '2030-01-01T00:00:00.000Z',
    reportDigest: 'f'.repeat(64),
    facts: { tool: '1.2' },
    runUrl: 'https://github.test',
  };
}
