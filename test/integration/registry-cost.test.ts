import type { Registry } from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import { redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parts } from '../support/parts.ts';
import { aHolder, aJournal, anEvent, anEvidence, aRelease, aTraffic } from '../support/records.ts';
import { type LocalRedis, startRedis } from '../support/redis.ts';

const id = 'shop@production';

describe.skipIf(!parts.redis)('The registry on the wire and at rest', () => {
  let redis: LocalRedis;
  let registry: Registry;
  beforeAll(async () => {
    redis = await startRedis();
    registry = redisRegistry(redis.url);
  });
  afterAll(async () => {
    await registry?.close();
    await redis?.stop();
  });

  /** The commands that clients send while `work` runs; what scripts call inside the server is not counted. */
  async function sentDuring(work: () => Promise<unknown>): Promise<readonly string[]> {
    const watcher = new Redis(redis.port);
    // Its own greeting must be over before anything is counted.
    await watcher.ping();
    const monitor = await watcher.monitor();
    const sent: string[] = [];
    monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
      if (source !== 'lua') sent.push(args[0]?.toLowerCase() ?? '');
    });
    await work();
    await watcher.ping('end');
    await expect.poll(() => sent.at(-1)).toBe('ping');
    monitor.disconnect();
    watcher.disconnect();
    return sent.slice(0, -1);
  }

  it('takes exactly one command for every operation, the very first on a connection too', async () => {
    await registry.deployments();
    const taken = await registry.acquire('first@production', aHolder('alice'), 60_000);
    if ('heldBy' in taken) throw new Error('held');
    const { lease } = taken;
    const change = {
      releases: [aRelease('1.0.0', 1), aRelease('2.0.0', 2)],
      removeReleases: ['0.9.0'],
      traffic: aTraffic(1, '1.0.0'),
      journal: aJournal('1.0.0'),
      events: [anEvent('1.0.0'), anEvent('1.0.0')],
    };
    const operations: Readonly<Record<string, () => Promise<unknown>>> = {
      acquire: () => registry.acquire(id, aHolder('alice'), 60_000),
      renew: () => registry.renew('first@production', lease, 60_000),
      read: () => registry.read(id),
      write: () => registry.write('first@production', lease, change),
      history: () => registry.history(id, 10),
      putEvidence: () => registry.putEvidence('sha256:1', anEvidence('security', 'pass')),
      evidence: () => registry.evidence('sha256:1'),
      deployments: () => registry.deployments(),
      release: () => registry.release('first@production', lease),
    };
    for (const [name, operation] of Object.entries(operations)) {
      const first = await sentDuring(operation);
      expect([name, first.length]).toEqual([name, 1]);
    }
    // From the second time on a script goes by its digest.
    expect(await sentDuring(() => registry.read(id))).toEqual(['evalsha']);
  });

  it('goes on when the server forgot its scripts', async () => {
    await registry.read(id);
    await redis.command('SCRIPT', 'FLUSH');
    expect(await registry.read(id)).toMatchObject({ id });
  });

  it('refuses what it cannot read, naming the key and what to do', async () => {
    const key = (name: string): string => `cd:{broken@production}:${name}`;
    const reading = (): Promise<unknown> => registry.read('broken@production');
    const cases: readonly [stored: string, message: RegExp][] = [
      ['not json', /traffic of broken@production \(cd:\{broken@production\}:traffic\) is not a record of this suite/],
      ['[]', /is not a record of this suite/],
      ['{"schema":2,"value":{}}', /newer version of these actions \(schema 2; this one reads up to 1\)/],
      ['{"value":{}}', /cannot be read: schema is not a number/],
      ['{"schema":1,"value":{"generation":"1"}}', /cannot be read: generation is not a number/],
      ['{"schema":1,"value":{"generation":1,"route":null}}', /cannot be read: route is not an object/],
    ];
    for (const [stored, message] of cases) {
      await redis.command('SET', key('traffic'), stored);
      await expect(reading()).rejects.toThrow(UserError);
      await expect(reading()).rejects.toThrow(message);
    }
  });

  it('writes nothing at all where another program put a key of another type', async () => {
    const other = 'typed@production';
    await redis.command('SET', `cd:{${other}}:history`, 'a string');
    const taken = await registry.acquire(other, aHolder('alice'), 60_000);
    if ('heldBy' in taken) throw new Error('held');
    const writing = registry.write(other, taken.lease, {
      releases: [aRelease('1.0.0', 1)],
      events: [anEvent('1.0.0')],
    });
    await expect(writing).rejects.toThrow('cd:{typed@production}:history is not of this suite');
    expect((await registry.read(other)).releases).toEqual([]);
  });

  it('waits for a holder that it cannot read, and frees a lease that lost its expiry', async () => {
    const key = 'cd:{odd@production}:lease';
    await redis.command('HSET', key, 'token', '1', 'holder', 'not json');
    expect(await registry.acquire('odd@production', aHolder('alice'), 40)).toMatchObject({
      heldBy: { run: { actor: 'an unknown run' } },
      remaining: 40,
    });
    await expect.poll(() => registry.acquire('odd@production', aHolder('alice'), 40)).toHaveProperty('lease');
  });

  it('holds large releases, and refuses one beyond a megabyte before anything is sent', async () => {
    const other = 'large@production';
    const taken = await registry.acquire(other, aHolder('alice'), 60_000);
    if ('heldBy' in taken) throw new Error('held');
    const large = (version: string, size: number) => {
      const release = aRelease(version, 1);
      return { ...release, spec: { ...release.spec, env: { BIG: 'é'.repeat(size / 2) } } };
    };
    const many = Array.from({ length: 40 }, (_, index) => large(`1.0.${index}`, 100_000));
    await registry.write(other, taken.lease, { releases: many });
    expect((await registry.read(other)).releases).toHaveLength(40);
    const sent = await sentDuring(() =>
      expect(registry.write(other, taken.lease, { releases: [large('2.0.0', 1_100_000)] })).rejects.toThrow(
        'the limit is 1048576',
      ),
    );
    expect(sent).toEqual([]);
  });
});
