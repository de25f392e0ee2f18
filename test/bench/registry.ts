/**
 * What the registry's part of a full switch costs with 1 and with 1,000 registered apps: `node test/bench/registry.ts`.
 * A switch is: take the lease, read, write the journal, renew once, commit traffic and releases, write the end, read, free the lease.
 */
import type { Registry } from '@cd-actions/shared/delivery/ports';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import { redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import { aHolder, aJournal, anEvent, aRelease, aTraffic } from '../support/records.ts';
import { startRedis } from '../support/redis.ts';

const SWITCHES = 300;

async function fill(registry: Registry, apps: number): Promise<void> {
  for (let index = 0; index < apps; index++) {
    const id: DeploymentId = `app-${index}@production`;
    const taken = await registry.acquire(id, aHolder('fill'), 60_000);
    if ('heldBy' in taken) throw new Error('held');
    const releases = [aRelease('1.0.0', 1), aRelease('2.0.0', 2)];
    await registry.write(id, taken.lease, { releases, traffic: aTraffic(1, '1.0.0'), events: [anEvent('1.0.0')] });
    await registry.release(id, taken.lease);
  }
}

async function switchOnce(registry: Registry, generation: number): Promise<void> {
  const id = 'app-0@production';
  const taken = await registry.acquire(id, aHolder(`run-${generation}`), 15_000);
  if ('heldBy' in taken) throw new Error('held');
  const { lease } = taken;
  await registry.read(id);
  await registry.write(id, lease, { journal: aJournal('2.0.0') });
  await registry.renew(id, lease, 15_000);
  const releases = [aRelease('1.0.0', 1), aRelease('2.0.0', 2)];
  await registry.write(id, lease, {
    releases,
    traffic: aTraffic(generation, '2.0.0'),
    journal: aJournal('2.0.0'),
    events: [anEvent('2.0.0')],
  });
  await registry.write(id, lease, { journal: null });
  await registry.read(id);
  await registry.release(id, lease);
}

async function measure(apps: number): Promise<{ apps: number; median: number; p99: number; commands: number }> {
  const redis = await startRedis();
  const registry = redisRegistry(redis.url);
  try {
    await fill(registry, apps);
    for (let warm = 0; warm < 50; warm++) await switchOnce(registry, warm + 2);
    await redis.command('CONFIG', 'RESETSTAT');
    const took: number[] = [];
    for (let index = 0; index < SWITCHES; index++) {
      const begun = performance.now();
      await switchOnce(registry, index + 100);
      took.push(performance.now() - begun);
    }
    const stats = String(await redis.command('INFO', 'commandstats'));
    const commands = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]) / SWITCHES;
    took.sort((a, b) => a - b);
    return { apps, median: at(took, 0.5), p99: at(took, 0.99), commands };
  } finally {
    await registry.close();
    await redis.stop();
  }
}

function at(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(2));
}

console.table([await measure(1), await measure(1000)]);
