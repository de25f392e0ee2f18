import type { Deployment } from '../domain/deployment.ts';
import { messageOf, StaleLeaseError, UserError } from '../domain/errors.ts';
import { formatDuration } from '../domain/grammar.ts';
import type { Context, Lease, LeaseHolder, RegistryChange } from './ports.ts';

/** Milliseconds after which the lease of a run that was killed frees itself, unless the context says otherwise. */
export const LEASE_TTL = 15_000;
/** Milliseconds before a renewal that failed is tried again. */
const RENEWAL_RETRY = 1_000;
/** Milliseconds between lines in the log that say who is waited for. */
const WAIT_NOTICE = 15_000;
const SHORTEST_POLL = 250;
const LONGEST_POLL = 2_000;

const ttlOf = (ctx: Context): number => ctx.leaseTtl ?? LEASE_TTL;
/** Milliseconds between renewals: two may fail before the lease is lost. */
const renewalOf = (ctx: Context): number => ttlOf(ctx) / 3;

/** Why the lease is taken: shown to whoever waits for it. */
export interface Purpose {
  readonly operation: string;
  readonly version: string;
  readonly reason: string;
}

/** What work has while it holds the lease. */
export interface Held {
  readonly lease: Lease;
  /** Aborted when the lease is lost (its reason is then a `StaleLeaseError`) or the run is cancelled. */
  readonly signal: AbortSignal;
  /** As it stood when the lease was taken. */
  readonly deployment: Deployment;
  /** Throws `StaleLeaseError`, having written nothing, once the lease is lost. Works after a cancel, for the tidying up. */
  write(change: RegistryChange): Promise<void>;
  /**
   * Asks the registry whether the lease is still held: to be called right before anything live is changed, because a run that was
   * paused for longer than the TTL does not know yet that another has taken over. Throws `StaleLeaseError` when it is not, and
   * `UnavailableError` when the registry is away.
   */
  confirm(): Promise<void>;
}

/** What a story works with while it holds the lease. `deployment` is what the registry says at this moment. */
export interface Operation extends Held {
  /** The context, its signal also aborted when the lease is lost. */
  readonly ctx: Context;
}

/**
 * Does `work` as the only holder of the deployment's lease. Waits up to `ctx.lockWait` for another holder, keeps the lease alive
 * meanwhile, and frees it however the work ends. A run that is killed frees it by its TTL.
 * @throws UserError naming the holder when the wait is over.
 */
export async function withLease<T>(ctx: Context, what: Purpose, work: (held: Held) => Promise<T>): Promise<T> {
  const taken = await acquire(ctx, what);
  ctx.onLease?.(taken.lease);
  const lost = new AbortController();
  const done = new AbortController();
  const beating = keepAlive(ctx, taken, lost, done.signal);
  try {
    const deployment = await ctx.registry.read(ctx.id);
    const signal = AbortSignal.any([ctx.signal, lost.signal]);
    return await work({
      lease: taken.lease,
      signal,
      deployment,
      write: (change) => fenced(lost, () => ctx.registry.write(ctx.id, taken.lease, change)),
      confirm: () => fenced(lost, () => ctx.registry.renew(ctx.id, taken.lease, ttlOf(ctx))),
    });
  } finally {
    done.abort();
    await beating;
    await free(ctx, taken);
  }
}

interface Taken {
  readonly lease: Lease;
  /** When the acquisition was asked for: the lease ends no sooner than this plus its TTL. */
  readonly at: number;
}

async function acquire(ctx: Context, what: Purpose): Promise<Taken> {
  const begun = ctx.clock.now();
  let delay = SHORTEST_POLL;
  let noticed = Number.NEGATIVE_INFINITY;
  for (;;) {
    ctx.signal.throwIfAborted();
    const at = ctx.clock.now();
    const holder: LeaseHolder = { run: ctx.run, ...what, since: new Date(at).toISOString() };
    const answer = await ctx.registry.acquire(ctx.id, holder, ttlOf(ctx));
    if ('lease' in answer) return { lease: answer.lease, at };
    const left = begun + ctx.lockWait - ctx.clock.now();
    if (left <= 0) throw stillHeld(ctx, answer.heldBy);
    if (at - noticed >= WAIT_NOTICE) {
      ctx.log.info(`Waiting up to ${formatDuration(left)} more for ${describe(ctx, answer.heldBy)}`);
      noticed = at;
    }
    await ctx.clock.sleep(Math.max(1, Math.min(delay, left, answer.remaining + 1)), ctx.signal);
    delay = Math.min(delay * 1.5, LONGEST_POLL);
  }
}

function describe(ctx: Context, holder: LeaseHolder): string {
  const held = Math.max(0, ctx.clock.now() - Date.parse(holder.since));
  const since = Number.isNaN(held) ? '' : `, for ${formatDuration(Math.round(held / 1000) * 1000)}`;
  const reason = holder.reason === '' ? '' : `, reason: ${holder.reason}`;
  const action = [holder.operation, holder.version].filter((word) => word !== '').join(' of ');
  return `the lease of ${ctx.id}: ${holder.run.actor} holds it for ${action}${reason} (since ${holder.since}${since}; ${holder.run.url}).`;
}

function stillHeld(ctx: Context, holder: LeaseHolder): UserError {
  return new UserError(
    `After ${formatDuration(ctx.lockWait)} another run still has ${describe(ctx, holder)} Nothing was changed.`,
    `Wait for that run or cancel it (a run that is cancelled or killed frees the lease within ${formatDuration(ttlOf(ctx))}), then run this one again; or give a longer \`lock-wait\`.`,
  );
}

async function fenced(lost: AbortController, work: () => Promise<void>): Promise<void> {
  if (lost.signal.aborted) throw lost.signal.reason;
  try {
    await work();
  } catch (error) {
    if (error instanceof StaleLeaseError) lost.abort(error);
    throw error;
  }
}

/**
 * Renews until `done`. Aborts `lost` when a renewal is refused, or when none has succeeded for a TTL: from then on another run may
 * hold the lease. Counted from when the last good renewal was asked for, so it errs to the safe side. Never rejects.
 */
async function keepAlive(ctx: Context, taken: Taken, lost: AbortController, done: AbortSignal): Promise<void> {
  const stop = AbortSignal.any([done, lost.signal]);
  let good = taken.at;
  let wait = renewalOf(ctx);
  while (!stop.aborted) {
    if (!(await slept(ctx, Math.min(wait, good + ttlOf(ctx) - ctx.clock.now()), stop))) return;
    const asked = ctx.clock.now();
    const expiry = good + ttlOf(ctx) - asked;
    const outcome = expiry <= 0 ? 'late' : await firstOf(ctx, renewal(ctx, taken), expiry, stop);
    if (outcome === 'stopped') return;
    if (outcome === 'late') {
      lost.abort(new StaleLeaseError(`The lease of ${ctx.id} could not be renewed for ${formatDuration(ttlOf(ctx))}.`));
    } else if (outcome instanceof StaleLeaseError) {
      lost.abort(outcome);
    } else if (outcome === 'renewed') {
      good = asked;
      wait = renewalOf(ctx);
    } else {
      ctx.log.warning(`The lease of ${ctx.id} could not be renewed, trying again: ${messageOf(outcome)}`);
      wait = RENEWAL_RETRY;
    }
  }
}

async function renewal(ctx: Context, taken: Taken): Promise<'renewed' | Error> {
  try {
    await ctx.registry.renew(ctx.id, taken.lease, ttlOf(ctx));
    return 'renewed';
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The renewal's outcome, unless the time is over first (`late`) or nobody wants it any more (`stopped`). */
async function firstOf(
  ctx: Context,
  renewing: Promise<'renewed' | Error>,
  ms: number,
  stop: AbortSignal,
): Promise<'renewed' | 'late' | 'stopped' | Error> {
  const settled = new AbortController();
  const timer = slept(ctx, ms, AbortSignal.any([stop, settled.signal])).then((whole) => (whole ? 'late' : 'stopped'));
  try {
    return await Promise.race([renewing, timer]);
  } finally {
    settled.abort();
  }
}

/** False when it was cut short. */
async function slept(ctx: Context, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await ctx.clock.sleep(Math.max(0, ms), signal);
    return !signal.aborted;
  } catch {
    return false;
  }
}

async function free(ctx: Context, taken: Taken): Promise<void> {
  try {
    await ctx.registry.release(ctx.id, taken.lease);
    ctx.onLease?.(null);
  } catch (error) {
    const freed = `it frees itself within ${formatDuration(ttlOf(ctx))}`;
    ctx.log.warning(`The lease of ${ctx.id} could not be released, ${freed}: ${messageOf(error)}`);
  }
}
