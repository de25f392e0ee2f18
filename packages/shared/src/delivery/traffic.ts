import { type Deployment, routableInstances } from '../domain/deployment.ts';
import { DeliveryError, messageOf } from '../domain/errors.ts';
import type { Release } from '../domain/release.ts';
import type { Traffic } from '../domain/traffic.ts';
import { versionsIn } from '../domain/traffic.ts';
import type { Operation } from './operation.ts';
import type { Context, Pool, Proxy, ProxyConfig, StagedConfig } from './ports.ts';

export type Activation = 'auto' | 'instant' | 'reload';

/** What one Nginx is told: the traffic, and a pool for every release that it can reach. */
export function configFor(proxy: Proxy, deployment: Deployment, traffic: Traffic): ProxyConfig {
  return {
    id: deployment.id,
    generation: traffic.generation,
    route: traffic.route,
    plan: traffic.plan,
    pools: deployment.releases.map((release) => poolFor(proxy, release)).filter((pool) => pool.servers.length > 0),
  };
}

/** The servers of a release that an Nginx can reach. */
export function poolFor(proxy: Proxy, release: Release): Pool {
  const servers = routableInstances(release).filter((instance) => proxy.reaches(instance));
  return { version: release.version, servers: servers.map(({ address, port }) => ({ address, port })) };
}

/** One configuration per Nginx, rendered and tested, nothing live yet. */
export type Staged = readonly { readonly proxy: Proxy; readonly staged: StagedConfig }[];

/** Stages and tests on every Nginx, or on none: a refusal by one discards the others. */
export async function stageEverywhere(ctx: Context, deployment: Deployment, traffic: Traffic): Promise<Staged> {
  refuseEmptyPools(ctx, deployment, traffic);
  const outcomes = await Promise.allSettled(
    ctx.fleet.proxies.map(async (proxy) => ({
      proxy,
      staged: await proxy.stage(configFor(proxy, deployment, traffic)),
    })),
  );
  const staged = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!refused) return staged;
  await discardEverywhere(staged);
  throw refused.reason;
}

export async function discardEverywhere(staged: Staged): Promise<void> {
  await Promise.allSettled(staged.map(({ proxy, staged: each }) => proxy.discard(each)));
}

/** Live traffic is never given an empty upstream. */
function refuseEmptyPools(ctx: Context, deployment: Deployment, traffic: Traffic): void {
  for (const proxy of ctx.fleet.proxies) {
    const served = new Set(configFor(proxy, deployment, traffic).pools.map((pool) => pool.version));
    const missing = versionsIn(traffic.plan).filter((version) => !served.has(version));
    if (missing.length > 0) {
      throw new DeliveryError(
        `${missing.join(', ')} has no running instance that ${proxy.name} can reach, so no traffic can go there.`,
        'Nothing was changed. Register the version first (register-container).',
      );
    }
  }
}

export interface Activated {
  readonly how: 'instant' | 'reload' | 'nothing';
  /** The slowest Nginx, milliseconds. */
  readonly milliseconds: number;
}

/**
 * Activates on every Nginx and returns when each is confirmed to answer with it alone. When one does not take it over, the others
 * are returned to `previous`, so that hosts never stay on different versions.
 */
export async function activateEverywhere(
  ctx: Context,
  staged: Staged,
  activation: Activation,
  previous: () => Promise<void>,
): Promise<Activated> {
  const outcomes = await Promise.allSettled(
    staged.map(({ proxy, staged: each }) => proxy.activate(each, activation, ctx.signal)),
  );
  const failures = outcomes.flatMap((outcome, index) =>
    outcome.status === 'rejected' ? [{ name: staged[index]?.proxy.name ?? '', reason: outcome.reason as unknown }] : [],
  );
  if (failures.length > 0) {
    await previous();
    throw new DeliveryError(
      `Traffic was not moved: ${failures.map(({ name, reason }) => `${name}: ${messageOf(reason)}`).join('; ')}`,
      'Every Nginx serves the previous generation.',
      { cause: failures[0]?.reason },
    );
  }
  const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const how = done.some((each) => each.how === 'reload') ? 'reload' : (done[0]?.how ?? 'nothing');
  return { how, milliseconds: Math.max(0, ...done.map((each) => each.milliseconds)) };
}

/**
 * Tells every Nginx the committed traffic with the pools as they are now. Moves no traffic: used after a release was registered or
 * retired, and to return to what is committed.
 */
export async function publish(op: Operation, deployment: Deployment): Promise<void> {
  if (!deployment.traffic) return;
  await applyEverywhere(op.ctx, deployment, deployment.traffic);
}

/** Stages, tests and activates the traffic on every Nginx without a way back: for a return to what is committed. */
export async function applyEverywhere(ctx: Context, deployment: Deployment, traffic: Traffic): Promise<Activated> {
  const staged = await stageEverywhere(ctx, deployment, traffic);
  return activateEverywhere(ctx, staged, 'auto', () => discardEverywhere(staged));
}
