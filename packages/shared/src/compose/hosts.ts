import type { Toolkit } from '../action/run.ts';
import type { Proxy } from '../delivery/ports.ts';
import { preparableHost, startRedis } from '../engine/preparation.ts';
import { connectHosts, type DeploymentValues, NETWORK, proxiesOf } from './context.ts';

type Values = DeploymentValues & { readonly 'redis-image': string };

/** The managed Redis' container and port. */
const REDIS = { container: 'cd-redis', port: 6379 };

export interface HostParts {
  readonly hosts: readonly ReturnType<typeof preparableHost>[];
  readonly proxies: readonly Proxy[];
  readonly redisAnswers: () => Promise<boolean>;
  readonly startRedis: () => Promise<string>;
}

/** Connects to hosts that may be bare: nothing but Docker has to be there. */
export async function withHosts<T>(
  values: Values,
  toolkit: Toolkit,
  work: (parts: HostParts) => Promise<T>,
): Promise<T> {
  const closing: (() => unknown)[] = [];
  try {
    const connections = await connectHosts(values, closing);
    const proxies = await proxiesOf(values, connections, { insistOnPorts: true });
    closing.push(...proxies.map((proxy) => () => proxy.close()));
    let redisUrl = values['redis-url'];
    return await work({
      hosts: connections.map((connection) => preparableHost(connection, NETWORK)),
      proxies,
      redisAnswers: () => answers(redisUrl, toolkit),
      startRedis: async () => {
        const [first] = connections;
        if (!first) return '';
        redisUrl = await startRedis(first, { ...REDIS, image: values['redis-image'] });
        await untilItAnswers(redisUrl, toolkit);
        return redisUrl;
      },
    });
  } finally {
    await Promise.allSettled(closing.reverse().map(async (close) => close()));
  }
}

async function answers(url: string, toolkit: Toolkit): Promise<boolean> {
  const { redisRegistry } = await import('../registry/redis-registry.ts');
  try {
    const registry = redisRegistry(url);
    await registry.deployments();
    await registry.close();
    return true;
  } catch (error) {
    toolkit.log.debug(`No registry yet: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** Milliseconds that a fresh Redis is given to load its data. */
const START_TIME = 15_000;

async function untilItAnswers(url: string, toolkit: Toolkit): Promise<void> {
  const { systemClock } = await import('./context.ts');
  for (const end = Date.now() + START_TIME; Date.now() < end; ) {
    if (await answers(url, toolkit)) return;
    await systemClock.sleep(200, toolkit.signal);
  }
}
