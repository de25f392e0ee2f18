import { type Deployment, routableInstances } from '../domain/deployment.ts';
import { DeliveryError, messageOf, StaleLeaseError, UserError } from '../domain/errors.ts';
import type { Release } from '../domain/release.ts';
import type { Traffic } from '../domain/traffic.ts';
import { versionsIn } from '../domain/traffic.ts';
import type { Operation } from './lease.ts';
import type { Context, Pool, Proxy, ProxyConfig, StagedConfig } from './ports.ts';

export type Activation = 'auto' | 'instant' | 'reload';

/** Milliseconds for returning to the traffic before, also in a run that is cancelled already. */
const UNDO_TIME = 30_000;

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

/** The servers of a release that an Nginx can reach. A stopped container may have no address. */
export function poolFor(proxy: Proxy, release: Release): Pool {
  const servers = routableInstances(release).filter((instance) => instance.address !== '' && proxy.reaches(instance));
  return { version: release.version, servers: servers.map(({ address, port }) => ({ address, port })) };
}

/** One configuration per Nginx, rendered and tested, nothing live yet. */
export type Staged = readonly { readonly proxy: Proxy; readonly staged: StagedConfig }[];

/** Stages and tests on every Nginx, or on none: a refusal by one discards the others. */
export async function stageEverywhere(ctx: Context, deployment: Deployment, traffic: Traffic): Promise<Staged> {
  refuseEmptyPools(ctx.fleet.proxies, deployment, traffic);
  const outcomes = await Promise.allSettled(
    ctx.fleet.proxies.map(async (proxy) => ({
      proxy,
      staged: await proxy.stage(configFor(proxy, deployment, traffic)),
    })),
  );
  const staged = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  for (const { proxy, staged: each } of staged)
    for (const line of each.drift) ctx.log.warning(`${proxy.name}: ${line}; it is put right.`);
  if (!refused) return staged;
  await discardEverywhere(staged);
  throw namingHosts(ctx, outcomes, refused.reason);
}

/** The first refusal; with several hosts, what each of them said. */
function namingHosts(ctx: Context, outcomes: readonly PromiseSettledResult<unknown>[], first: unknown): unknown {
  if (ctx.fleet.proxies.length === 1) return first;
  const said = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'accepts it' : messageOf(outcome.reason)));
  const report = reportOf(ctx.fleet.proxies.map((proxy, index) => [proxy.name, said[index] ?? '']));
  if (first instanceof UserError) return new UserError(report, first.remedy, { cause: first });
  return new DeliveryError(report, 'Nothing live was changed on any host.', { cause: first });
}

/** `host: what happened`, one a line when there are several. */
function reportOf(entries: readonly (readonly [string, string])[]): string {
  return entries.map(([name, said]) => `${name}: ${said}`).join('\n');
}

export async function discardEverywhere(staged: Staged): Promise<void> {
  await Promise.allSettled(staged.map(({ proxy, staged: each }) => proxy.discard(each)));
}

/** Live traffic is never given an empty upstream. */
function refuseEmptyPools(proxies: readonly Proxy[], deployment: Deployment, traffic: Traffic): void {
  for (const proxy of proxies) {
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
 * Activates on every Nginx, provided that the lease is still held, and returns when each is confirmed to answer with it alone. When
 * one does not take it over, throws a `DeliveryError` that says how it went on each; the caller returns all of them.
 */
export async function activateEverywhere(op: Operation, staged: Staged, activation: Activation): Promise<Activated> {
  await op.confirm();
  const outcomes = await Promise.allSettled(
    staged.map(({ proxy, staged: each }) => proxy.activate(each, activation, op.ctx.signal)),
  );
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) {
    await discardEverywhere(staged.filter((_, index) => outcomes[index]?.status === 'rejected'));
    const stale = outcomes.find(
      (outcome) => outcome.status === 'rejected' && outcome.reason instanceof StaleLeaseError,
    );
    if (stale?.status === 'rejected') throw stale.reason;
    if (op.ctx.signal.aborted) throw failure.reason;
    const said = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? messageOf(outcome.reason) : `took it over by ${outcome.value.how}`,
    );
    const report = reportOf(staged.map(({ proxy }, index) => [proxy.name, said[index] ?? '']));
    throw new DeliveryError(`Nginx did not take the traffic over. ${report}`, undefined, { cause: failure.reason });
  }
  const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const how = done.some((each) => each.how === 'reload') ? 'reload' : (done[0]?.how ?? 'nothing');
  return { how, milliseconds: Math.max(0, ...done.map((each) => each.milliseconds)) };
}

/**
 * Tells every Nginx the committed traffic with the pools as they are now. Moves no traffic: used after a release was registered or
 * retired.
 */
export async function publish(op: Operation, deployment: Deployment): Promise<void> {
  if (!deployment.traffic) return;
  await activateEverywhere(op, await stageEverywhere(op.ctx, deployment, deployment.traffic), 'auto');
}

/** How the return of the hosts to earlier traffic went. */
export interface Returned {
  /** Every Nginx has it. */
  readonly complete: boolean;
  /** One line for each host that has not, and why. */
  readonly failures: string;
}

/**
 * Returns every Nginx to `traffic`, or to nothing of this deployment when there was none: each by itself, so that a host which is away
 * keeps no other from returning. Works in a run that is cancelled, and while the registry is away: who holds the lease has it
 * until it expires.
 * @throws StaleLeaseError when another run has the lease: it does this then.
 */
export async function returnEverywhere(
  op: Operation,
  deployment: Deployment,
  traffic: Traffic | null,
): Promise<Returned> {
  await op.confirm().catch((error: unknown) => {
    if (error instanceof StaleLeaseError) throw error;
  });
  const signal = AbortSignal.timeout(UNDO_TIME);
  const outcomes = await Promise.allSettled(
    op.ctx.fleet.proxies.map(async (proxy) => {
      if (!traffic) return proxy.forget(deployment.id);
      refuseEmptyPools([proxy], deployment, traffic);
      const staged = await proxy.stage(configFor(proxy, deployment, traffic));
      await proxy.activate(staged, 'auto', signal).catch(async (error: unknown) => {
        await proxy.discard(staged).catch(() => undefined);
        throw error;
      });
    }),
  );
  const failed = outcomes.flatMap((outcome, index): (readonly [string, string])[] =>
    outcome.status === 'rejected' ? [[op.ctx.fleet.proxies[index]?.name ?? '', messageOf(outcome.reason)]] : [],
  );
  return { complete: failed.length === 0, failures: reportOf(failed) };
}
