import type { Deployment, Journal } from '../domain/deployment.ts';
import { DeliveryError, messageOf } from '../domain/errors.ts';
import type { Traffic } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { engineOf, findInstances } from './hosts.ts';
import type { Operation } from './lease.ts';
import type { Moved } from './move.ts';
import { operate } from './operation.ts';
import type { Context } from './ports.ts';
import { poolFor, returnEverywhere } from './traffic.ts';

/** How often open connections are counted, milliseconds. */
const POLL = 200;

export interface RemoveRequest {
  readonly reason: string;
  /** Milliseconds that connections are given after the app has left Nginx. */
  readonly drainTimeout: number;
}

/**
 * Removes an app from every Nginx, its releases from the registry and its containers from the hosts; the history stays, and so do images.
 * Until the releases are gone a failure puts the app back, or the next run does; containers that a run leaves behind by dying after that are
 * found by the next one, and this story can be repeated.
 */
export function removeApp(ctx: Context, request: RemoveRequest): Promise<Moved> {
  return operate(ctx, { operation: 'remove', version: '', reason: request.reason }, async (op) => {
    const { deployment } = op;
    const { traffic } = deployment;
    const began = ctx.clock.now();
    if (traffic) await leaveNginx(op, traffic, request.reason);
    const milliseconds = ctx.clock.now() - began;
    const cut = await drained(op, deployment, ctx.clock.now() + request.drainTimeout);
    const versions = deployment.releases.map((release) => release.version);
    const events = versions.map((version) => eventOf(ctx, 'removed', version, 'the app was removed', request.reason));
    await op.write({ removeReleases: versions, traffic: null, journal: null, events });
    await removeContainers(op, deployment);
    return {
      liveVersion: '',
      previousVersion: traffic?.plan.targets[0]?.version ?? '',
      plan: { targets: [], rules: [], sticky: true, mirror: null, maintenance: null },
      generation: traffic?.generation ?? 0,
      milliseconds,
      how: traffic ? 'reload' : 'nothing',
      cut,
      changed: versions.length > 0 || traffic !== null,
      shares: [],
      rendered: '',
    };
  });
}

/** Every Nginx forgets the app, or all of them have it again. */
async function leaveNginx(op: Operation, traffic: Traffic, reason: string): Promise<void> {
  const journal: Journal = {
    operation: 'remove',
    phase: 'activating',
    version: '',
    from: traffic,
    retiring: [],
    startedAt: new Date(op.ctx.clock.now()).toISOString(),
    run: op.ctx.run,
    reason,
  };
  await op.write({ journal });
  await op.confirm();
  const outcomes = await Promise.allSettled(op.ctx.fleet.proxies.map((proxy) => proxy.forget(op.ctx.id)));
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!refused) return;
  const back = { ...traffic, generation: traffic.generation + 1 };
  const returned = await returnEverywhere(op, op.deployment, back);
  if (returned.complete) await op.write({ traffic: back, journal: null });
  throw new DeliveryError(
    `The app could not be taken out of Nginx: ${messageOf(refused.reason)}`,
    returned.complete ? 'It is served as before.' : `The next run of any action puts it back on: ${returned.failures}`,
    { cause: refused.reason },
  );
}

/** Returns how many connections were still open at the deadline. */
async function drained(op: Operation, { releases }: Deployment, deadline: number): Promise<number> {
  for (;;) {
    const counts = await Promise.all(
      op.ctx.fleet.proxies.flatMap((proxy) => releases.map((release) => proxy.connections(poolFor(proxy, release)))),
    );
    const open = counts.reduce<number>((sum, each) => sum + (each ?? 0), 0);
    const left = deadline - op.ctx.clock.now();
    // A run that is cancelled now finishes at once: the app has left Nginx, and would be served by nobody until another run came.
    if (left <= 0 || op.ctx.signal.aborted || (open === 0 && !counts.includes(null))) return open;
    await op.ctx.clock.sleep(Math.min(POLL, left));
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
