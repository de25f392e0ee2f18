import type { Lease, Registry } from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import { type RedisRegistryOptions, redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import { aHolder } from './records.ts';
import { type LocalRedis, startRedis } from './redis.ts';

/** The deployment that these tests write. */
export const id = 'shop@production';

/** How node runs a script of a test that imports the suite's sources. */
export const EVAL = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--input-type=module', '--eval'];

/** What one test started, stopped after it in the opposite order: `afterEach(stopAll)`. */
export const cleanups: (() => unknown)[] = [];
export async function stopAll(): Promise<void> {
  for (const clean of cleanups.splice(0).reverse()) await clean();
}

export async function server(...args: readonly string[]): Promise<LocalRedis> {
  const redis = await startRedis(args);
  cleanups.push(() => redis.stop());
  return redis;
}

export function connect(url: string, options?: RedisRegistryOptions): Registry {
  const registry = redisRegistry(url, options);
  cleanups.push(() => registry.close());
  return registry;
}

/** What is thrown, with how long that took in milliseconds. */
export async function failure(work: () => Promise<unknown>): Promise<{ error: Error; remedy: string; took: number }> {
  const begun = performance.now();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { error, remedy: (error instanceof UserError && error.remedy) || '', took: performance.now() - begun };
  }
  throw new Error('it did not fail');
}

export async function lease(registry: Registry): Promise<Lease> {
  const answer = await registry.acquire(id, aHolder('alice'), 60_000);
  if ('heldBy' in answer) throw new Error('held');
  return answer.lease;
}
