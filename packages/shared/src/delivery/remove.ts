import type { Deployment } from '../domain/deployment.ts';
import { eventOf } from './events.ts';
import { engineOf, findInstances } from './hosts.ts';
import type { Moved } from './move.ts';
import { type Operation, operate } from './operation.ts';
import type { Context } from './ports.ts';
import { poolFor } from './traffic.ts';

/** How often open connections are counted, milliseconds. */
const POLL = 200;

export interface RemoveRequest {
  readonly reason: string;
  /** Milliseconds that connections are given after the app has left Nginx. */
  readonly drainTimeout: number;
}

/**
 * Removes an app from Nginx, its containers from the hosts and its releases from the registry; the history stays, and so do images. A
 * run that dies on the way leaves the hosts as the truth: the next run of any action finds there what is left, and this one can be repeated.
 */
export function removeApp(ctx: Context, request: RemoveRequest): Promise<Moved> {
  return operate(ctx, { operation: 'remove', version: '', reason: request.reason }, async (op) => {
    const { deployment } = op;
    const began = ctx.clock.now();
    const versions = deployment.releases.map((release) => release.version);
    const events = versions.map((version) => eventOf(ctx, 'removed', version, 'the app was removed', request.reason));
    await op.write({ removeReleases: versions, traffic: null, journal: null, events });
    await Promise.all(ctx.fleet.proxies.map((proxy) => proxy.forget(ctx.id)));
    const milliseconds = ctx.clock.now() - began;
    const cut = await drained(op, deployment, ctx.clock.now() + request.drainTimeout);
    await removeContainers(op, deployment);
    return {
      liveVersion: '',
      previousVersion: deployment.traffic?.plan.targets[0]?.version ?? '',
      plan: { targets: [], rules: [], sticky: true, mirror: null, maintenance: null },
      generation: deployment.traffic?.generation ?? 0,
      milliseconds,
      how: deployment.traffic ? 'reload' : 'nothing',
      cut,
      changed: versions.length > 0 || deployment.traffic !== null,
      shares: [],
      rendered: '',
    };
  });
}

/** Returns how many connections were still open at the deadline. */
async function drained(op: Operation, { releases }: Deployment, deadline: number): Promise<number> {
  for (;;) {
    const counts = await Promise.all(
      op.ctx.fleet.proxies.flatMap((proxy) => releases.map((release) => proxy.connections(poolFor(proxy, release)))),
    );
    const open = counts.reduce<number>((sum, each) => sum + (each ?? 0), 0);
    const left = deadline - op.ctx.clock.now();
    if (left <= 0 || (open === 0 && !counts.includes(null))) return open;
    await op.ctx.clock.sleep(Math.min(POLL, left), op.ctx.signal);
  }
}

async function removeContainers(op: Operation, { releases }: Deployment): Promise<void> {
  await op.confirm();
  await Promise.all(
    (await findInstances(op.ctx)).map(({ instance, version }) => {
      const timeout = releases.find((release) => release.version === version)?.spec.stopTimeout ?? 0;
      return engineOf(op, instance.host)?.remove(instance, timeout);
    }),
  );
}
