import { findRelease, type Retirement } from '../domain/deployment.ts';
import type { Release } from '../domain/release.ts';
import { versionsIn } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { engineOf } from './hosts.ts';
import type { Operation } from './lease.ts';
import { poolFor, publish } from './traffic.ts';

/** How often open connections are counted while draining, milliseconds. */
const POLL = 200;
/**
 * How long after the deadline a connection may be one that only waits for another request. An Nginx cannot tell it from one at work, but
 * closes it within this many milliseconds (`keepalive_timeout` of the upstream groups, and a little for the clocks).
 */
const IDLE = 1700;

export interface Drained {
  /** Connections that were still open when the time was up, and were closed. */
  readonly cut: number;
  readonly milliseconds: number;
}

/**
 * Waits until nothing can reach the retiring releases any more or their deadline has passed, takes them out of Nginx, and only then
 * stops or removes their instances as wished. Can be repeated after a crash: each step finds what is left to do.
 */
export async function retire(op: Operation, retiring: readonly Retirement[]): Promise<Drained> {
  const started = op.ctx.clock.now();
  const drained = await Promise.all(retiring.map((each) => drain(op, each)));
  const leaving = retiring.filter((each) => each.keep !== 'running');
  if (leaving.length > 0) await takeOut(op, leaving);
  await Promise.all(
    retiring
      .filter((each, index) => each.keep === 'running' && (drained[index] ?? 0) > 0)
      .map((each) => cutConnections(op, each.version)),
  );
  for (const each of leaving) await stopInstances(op, each);
  return { cut: drained.reduce((sum, each) => sum + each, 0), milliseconds: op.ctx.clock.now() - started };
}

/** Returns how many connections were still open at the deadline; an Nginx that cannot count is given the whole time. */
async function drain(op: Operation, retirement: Retirement): Promise<number> {
  const release = await current(op, retirement.version);
  if (!release) return 0;
  for (;;) {
    const counts = await Promise.all(op.ctx.fleet.proxies.map((proxy) => proxy.connections(poolFor(proxy, release))));
    const open = counts.reduce<number>((sum, each) => sum + (each ?? 0), 0);
    if (open === 0 && !counts.includes(null)) return 0;
    // What is open at the deadline is given the time in which an idle connection closes by itself: only what is at work is cut.
    const left = retirement.deadline + (open > 0 ? IDLE : 0) - op.ctx.clock.now();
    if (left <= 0) {
      if (open > 0)
        op.ctx.log.warning(
          `${open} connection(s) to ${retirement.version} were still open when the drain timeout passed.`,
        );
      return open;
    }
    await op.ctx.clock.sleep(Math.min(POLL, left), op.ctx.signal);
  }
}

async function current(op: Operation, version: string): Promise<Release | undefined> {
  return findRelease(await op.ctx.registry.read(op.ctx.id), version);
}

/** Marks the releases stopped and gives Nginx the pools without them, before any instance stops. */
async function takeOut(op: Operation, leaving: readonly Retirement[]): Promise<void> {
  const before = await op.ctx.registry.read(op.ctx.id);
  const serving = new Set(before.traffic ? versionsIn(before.traffic.plan) : []);
  const releases = leaving.flatMap((each) => {
    const release = findRelease(before, each.version);
    return release && !serving.has(each.version)
      ? [{ ...release, state: release.state === 'failed' && !each.forget ? 'failed' : 'stopped' } satisfies Release]
      : [];
  });
  if (releases.length === 0) return;
  await op.write({
    releases,
    events: releases.map((release) => eventOf(op.ctx, 'retired', release.version, 'taken out of Nginx')),
  });
  await publish(op, await op.ctx.registry.read(op.ctx.id));
}

/** A release without any traffic, as the registry has it while the lease is held: only such a one may be stopped. */
async function idle(op: Operation, version: string): Promise<Release | undefined> {
  const deployment = await op.ctx.registry.read(op.ctx.id);
  // Afterwards: as long as the lease is held, what was read is true.
  await op.confirm();
  const serves = deployment.traffic !== null && versionsIn(deployment.traffic.plan).includes(version);
  return serves ? undefined : findRelease(deployment, version);
}

/** Stops, or removes, the instances of a release that Nginx no longer knows. */
async function stopInstances(op: Operation, retirement: Retirement): Promise<void> {
  const release = await idle(op, retirement.version);
  if (!release) return;
  const timeout = release.spec.stopTimeout;
  await Promise.all(
    release.instances.map((instance) => {
      const engine = engineOf(op, instance.host);
      return retirement.keep === 'none' ? engine?.remove(instance, timeout) : engine?.stop(instance, timeout);
    }),
  );
  if (retirement.forget) {
    const events = [eventOf(op.ctx, 'removed', release.version, 'aborted')];
    await op.write({ removeReleases: [release.version], events });
  } else if (retirement.keep === 'none') await op.write({ releases: [{ ...release, instances: [] }] });
}

/** A release that stays warm is started anew when connections outlived the deadline: the application closes them in its own way. */
async function cutConnections(op: Operation, version: string): Promise<void> {
  const release = await idle(op, version);
  if (!release) return;
  const instances = await Promise.all(
    release.instances.map(async (instance) => {
      const engine = engineOf(op, instance.host);
      if (!engine) return instance;
      await engine.stop(instance, release.spec.stopTimeout);
      return engine.restart(instance);
    }),
  );
  await op.write({ releases: [{ ...release, instances }] });
  await publish(op, await op.ctx.registry.read(op.ctx.id));
}
