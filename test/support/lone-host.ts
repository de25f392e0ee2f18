import { setTimeout as wait } from 'node:timers/promises';
import { operate } from '@cd-actions/shared/delivery/operation';
import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import type { Deployment } from '@cd-actions/shared/domain/deployment';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import type { LoadResult } from '@cd-actions/shared/gates/load/result';
import { aRegistration, aSwitch, memoryLog, servedVersion } from './delivery-world.ts';
import { type DockerHost, startDockerHost } from './docker-host.ts';
import { type FleetWorld, fleetWorld } from './fleet-world.ts';
import { parts } from './parts.ts';

/** A Docker host of its own that serves v2, two instances, and has v1; both were verified. */
export interface LoneHost {
  readonly host: DockerHost;
  readonly world: FleetWorld;
  readonly url: string;
  /** The next run of any action. Returns what it warned of. */
  nextRun(): Promise<string>;
  /** Constant load while something happens. */
  underLoad(work: () => Promise<void>): Promise<LoadResult>;
  deployment(): Promise<Deployment>;
  /** A shell command in the Nginx container. */
  nginx(script: string): Promise<string>;
  /** Milliseconds from `from` until the version is served. Throws after 30 s. */
  untilServed(version: string, from: number): Promise<number>;
  close(): Promise<void>;
}

export async function loneHost(): Promise<LoneHost> {
  const host = await startDockerHost([parts.images?.nginx ?? '', parts.images?.app ?? '']);
  const world = await fleetWorld([{ url: host.url, address: host.address }]);
  const url = world.urls[0] ?? '';
  const ctx = await world.context();
  await ctx.fleet.proxies[0]?.prepare();
  for (const version of ['v1', 'v2']) {
    await register(ctx, aRegistration(version, { replicas: 2 }));
    await switchTraffic(ctx, aSwitch(world.at, version));
    await recordVerification(ctx, version, 'pass', 'a test');
  }
  return {
    host,
    world,
    url,
    nextRun: async () => {
      const lines: string[] = [];
      const next = await world.context({ log: memoryLog(lines) });
      await operate(next, { operation: 'prune', version: '', reason: 'the next run' }, async () => undefined);
      return lines.filter((line) => line.startsWith('warning')).join('\n');
    },
    underLoad: async (work) => {
      const load = runLoad({ url, rate: 100 });
      try {
        await work();
      } finally {
        await wait(200);
        await load.stop();
      }
      return load.result;
    },
    deployment: () => ctx.registry.read(ctx.id),
    nginx: (script) => world.inNginx(0, script),
    untilServed: async (version, from) => {
      while ((await servedVersion(url)) !== version) {
        if (Date.now() - from > 30_000) throw new Error('not served within 30 s');
        await wait(20);
      }
      return Date.now() - from;
    },
    close: async () => {
      await world.close();
      await host.close();
    },
  };
}
