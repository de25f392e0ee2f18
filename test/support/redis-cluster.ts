import { setTimeout as wait } from 'node:timers/promises';
import { type LocalRedis, startRedis } from './redis.ts';

const SLOTS = 16_384;
const JOIN_LIMIT = 20_000;

/** A Redis Cluster of three primaries without replicas. */
export async function startCluster(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const nodes = await Promise.all([0, 1, 2].map(() => startRedis(['--cluster-enabled', 'yes'])));
  const [first] = nodes as [LocalRedis];
  for (const [index, node] of nodes.entries()) {
    const from = Math.ceil((index * SLOTS) / nodes.length);
    const to = Math.ceil(((index + 1) * SLOTS) / nodes.length) - 1;
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    if (node !== first) await node.command('CLUSTER', 'MEET', '127.0.0.1', first.port);
  }
  const limit = Date.now() + JOIN_LIMIT;
  for (const node of nodes) {
    while (!String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) {
      if (Date.now() > limit) throw new Error('the cluster did not form');
      await wait(100);
    }
  }
  return {
    url: `redis+cluster://${nodes.map((node) => `127.0.0.1:${node.port}`).join(',')}`,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}
