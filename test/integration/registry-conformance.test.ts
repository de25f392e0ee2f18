import { setTimeout as wait } from 'node:timers/promises';
import type { Lease, Registry } from '@cd-actions/shared/delivery/ports';
import { StaleLeaseError } from '@cd-actions/shared/domain/errors';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import { redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeRegistry } from '../support/fake-registry.ts';
import { parts } from '../support/parts.ts';
import { aHolder, aJournal, anEvent, anEvidence, aRelease, aTraffic } from '../support/records.ts';
import { redisImage, startRedis, startRedisContainer } from '../support/redis.ts';
import { startCluster } from '../support/redis-cluster.ts';

/** One place where registries are kept: several runs, each with a connection of its own, see the same. */
interface Store {
  connect(): Registry;
  stop(): Promise<void>;
}

const REDIS_8 = 'cd-actions-test/redis:8';

const stores: readonly { name: string; here: boolean; start: () => Promise<Store> }[] = [
  { name: 'the fake', here: true, start: startFake },
  { name: 'Redis 7', here: parts.redis !== null, start: async () => overRedis(await startRedis()) },
  { name: 'a Redis Cluster', here: parts.redis !== null, start: async () => overRedis(await startCluster()) },
  {
    name: 'Redis 8',
    here: redisImage(REDIS_8) !== undefined,
    start: async () => overRedis(await startRedisContainer(REDIS_8)),
  },
];

async function startFake(): Promise<Store> {
  const registry = new FakeRegistry();
  return { connect: () => registry, stop: async () => undefined };
}

function overRedis(server: { readonly url: string; stop(): Promise<void> }): Store {
  const open: Registry[] = [];
  return {
    connect() {
      const registry = redisRegistry(server.url);
      open.push(registry);
      return registry;
    },
    async stop() {
      await Promise.all(open.map((registry) => registry.close()));
      await server.stop();
    },
  };
}

async function take(registry: Registry, id: DeploymentId, run: string, ttl = 60_000): Promise<Lease> {
  const answer = await registry.acquire(id, aHolder(run), ttl);
  if ('heldBy' in answer) throw new Error(`held by ${answer.heldBy.run.id}`);
  return answer.lease;
}

describe.each(stores)('A registry in $name', ({ here, start }) => {
  let store: Store;
  let number = 0;
  const fresh = (): DeploymentId => `shop-${++number}@production`;
  beforeAll(async () => {
    if (here) store = await start();
  });
  afterAll(() => store?.stop());
  const check = it.skipIf(!here);

  check('gives the lease to one of twenty at once, and tells the others who has it and for how long', async () => {
    const id = fresh();
    const contenders = Array.from({ length: 20 }, (_, index) => ({ run: `run-${index}`, registry: store.connect() }));
    const answers = await Promise.all(
      contenders.map(({ run, registry }) => registry.acquire(id, aHolder(run), 30_000)),
    );
    const winner = contenders.find((_, index) => 'lease' in (answers[index] ?? {}))?.run ?? '';
    const others = answers.filter((answer) => 'heldBy' in answer);
    expect(others).toHaveLength(19);
    for (const other of others) {
      expect(other.heldBy).toEqual(aHolder(winner));
      expect(other.remaining).toBeGreaterThan(20_000);
      expect(other.remaining).toBeLessThanOrEqual(30_000);
    }
  });

  check('does not give the lease twice to the same run', async () => {
    const id = fresh();
    const registry = store.connect();
    await take(registry, id, 'alice');
    expect(await registry.acquire(id, aHolder('alice'), 1_000)).toMatchObject({ heldBy: { run: { id: 'alice' } } });
  });

  check('gives out growing tokens: after a release, after an expiry', async () => {
    const id = fresh();
    const registry = store.connect();
    const first = await take(registry, id, 'alice');
    await registry.release(id, first);
    const second = await take(registry, id, 'bob', 30);
    await wait(60);
    const third = await take(registry, id, 'carol');
    expect(second.token).toBeGreaterThan(first.token);
    expect(third.token).toBeGreaterThan(second.token);
  });

  check('keeps a lease that is renewed beyond its TTL', async () => {
    const id = fresh();
    const registry = store.connect();
    const lease = await take(registry, id, 'alice', 200);
    await registry.renew(id, lease, 60_000);
    await wait(250);
    expect(await registry.acquire(id, aHolder('bob'), 1_000)).toMatchObject({ heldBy: { run: { id: 'alice' } } });
  });

  check(
    'refuses renewal and writes of a holder whose lease expired, taken over or not, and writes nothing',
    async () => {
      for (const takenOver of [false, true]) {
        const id = fresh();
        const registry = store.connect();
        const stale = await take(registry, id, 'alice', 30);
        await wait(60);
        if (takenOver) await take(registry, id, 'bob');
        await expect(registry.renew(id, stale, 1_000)).rejects.toThrow(StaleLeaseError);
        const change = {
          releases: [aRelease('1.0.0', 1)],
          traffic: aTraffic(1, '1.0.0'),
          journal: null,
          events: [anEvent('1.0.0')],
        };
        await expect(registry.write(id, stale, change)).rejects.toThrow(StaleLeaseError);
        expect(await registry.read(id)).toEqual({ id, releases: [], traffic: null, journal: null });
        expect(await registry.history(id, 10)).toEqual([]);
      }
    },
  );

  check('lets a stale holder free nobody else', async () => {
    const id = fresh();
    const registry = store.connect();
    const stale = await take(registry, id, 'alice', 30);
    await wait(60);
    await take(registry, id, 'bob');
    await registry.release(id, stale);
    expect(await registry.acquire(id, aHolder('carol'), 1_000)).toMatchObject({ heldBy: { run: { id: 'bob' } } });
  });

  check('reads back what was written: changes together, absent fields as they were', async () => {
    const id = fresh();
    const registry = store.connect();
    const lease = await take(registry, id, 'alice');
    await registry.write(id, lease, {
      releases: [aRelease('1.0.0', 1), aRelease('2.0.0', 2)],
      traffic: aTraffic(1, '1.0.0'),
      journal: aJournal('2.0.0'),
    });
    expect(await registry.read(id)).toEqual({
      id,
      releases: [aRelease('2.0.0', 2), aRelease('1.0.0', 1)],
      traffic: aTraffic(1, '1.0.0'),
      journal: aJournal('2.0.0'),
    });
    await registry.write(id, lease, { removeReleases: ['1.0.0', 'never-was'], journal: null });
    expect(await registry.read(id)).toEqual({
      id,
      releases: [aRelease('2.0.0', 2)],
      traffic: aTraffic(1, '1.0.0'),
      journal: null,
    });
    await registry.write(id, lease, {});
    expect(await registry.read(id)).toMatchObject({ releases: [{ version: '2.0.0' }], traffic: { generation: 1 } });
  });

  check('keeps fields that this version does not know', async () => {
    const id = fresh();
    const registry = store.connect();
    const lease = await take(registry, id, 'alice');
    const later = { ...aRelease('1.0.0', 1), colour: { name: 'green' } };
    await registry.write(id, lease, { releases: [later] });
    const [read] = (await registry.read(id)).releases;
    await registry.write(id, lease, { releases: read ? [{ ...read, state: 'live' }] : [] });
    expect((await registry.read(id)).releases).toEqual([{ ...later, state: 'live' }]);
  });

  check('tells the history newest first, as many as asked for', async () => {
    const id = fresh();
    const registry = store.connect();
    const lease = await take(registry, id, 'alice');
    await registry.write(id, lease, { events: [anEvent('1'), anEvent('2')] });
    await registry.write(id, lease, { events: [anEvent('3')] });
    expect((await registry.history(id, 10)).map((event) => event.version)).toEqual(['3', '2', '1']);
    expect(await registry.history(id, 1)).toEqual([anEvent('3')]);
    expect(await registry.history(id, 0)).toEqual([]);
  });

  check('keeps about a thousand events', async () => {
    const id = fresh();
    const registry = store.connect();
    const lease = await take(registry, id, 'alice');
    for (let block = 0; block < 13; block++) {
      await registry.write(id, lease, {
        events: Array.from({ length: 100 }, (_, index) => anEvent(`${block}-${index}`)),
      });
    }
    const kept = await registry.history(id, 5_000);
    expect(kept.length).toBeGreaterThanOrEqual(1_000);
    expect(kept.length).toBeLessThan(1_150);
    expect(kept[0]?.version).toBe('12-99');
  });

  check('keeps evidence by image, the latest of each gate', async () => {
    const registry = store.connect();
    const image = `sha256:${String(++number).padStart(64, '0')}`;
    expect(await registry.evidence(image)).toEqual([]);
    await registry.putEvidence(image, anEvidence('security', 'fail'));
    await registry.putEvidence(image, anEvidence('performance', 'pass'));
    await registry.putEvidence(image, anEvidence('security', 'pass'));
    expect(await registry.evidence(image)).toEqual([anEvidence('performance', 'pass'), anEvidence('security', 'pass')]);
  });

  check('lists the deployments that were written to, and keeps them apart', async () => {
    const registry = store.connect();
    const [written, waiting, other] = [fresh(), fresh(), fresh()];
    const lease = await take(registry, written, 'alice');
    await registry.write(written, lease, { releases: [aRelease('1.0.0', 1)] });
    await take(registry, waiting, 'bob');
    const otherLease = await take(registry, other, 'alice');
    await registry.write(other, otherLease, { releases: [aRelease('9.0.0', 1)] });
    const known = await registry.deployments();
    expect(known).toEqual(expect.arrayContaining([written, other]));
    expect(known).not.toContain(waiting);
    expect((await registry.read(written)).releases).toHaveLength(1);
    // Tokens of two apps can be alike: they are taken from the clock.
    const earlier = { ...lease, token: otherLease.token - 1 };
    await expect(registry.write(other, earlier, {})).rejects.toThrow(StaleLeaseError);
  });
});
