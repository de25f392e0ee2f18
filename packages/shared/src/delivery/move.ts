import { type Journal, liveVersion } from '../domain/deployment.ts';
import { DeliveryError, StaleLeaseError } from '../domain/errors.ts';
import { gaining, mainVersion, type Traffic, type TrafficPlan } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { attempt } from './hosts.ts';
import type { Operation } from './lease.ts';
import { observe, type StepShares } from './observe.ts';
import { pruneReleases } from './prune.ts';
import { statesUnder } from './recover.ts';
import { retire } from './retire.ts';
import {
  type Activated,
  type Activation,
  activateEverywhere,
  type Returned,
  returnEverywhere,
  type Staged,
  stageEverywhere,
} from './traffic.ts';
import { type KeepPrevious, plansOnTheWay, retiringUnder, type Wanted } from './way.ts';

export interface MoveRequest {
  /** Weights on the way to the wished one, ascending; those at or above it are left out. */
  readonly steps: readonly number[];
  /** Milliseconds between steps. */
  readonly stepInterval: number;
  /** Milliseconds that old connections are given after the last step. */
  readonly drainTimeout: number;
  /** What becomes of the instances that lost their traffic. */
  readonly keepPrevious: KeepPrevious;
  readonly activation: Activation;
  readonly reason: string;
}

export interface Moved {
  readonly liveVersion: string;
  readonly previousVersion: string;
  readonly plan: TrafficPlan;
  readonly generation: number;
  /** From the first activation to the confirmation of the last, without the intervals between steps. Milliseconds. */
  readonly milliseconds: number;
  readonly how: Activated['how'];
  /** Connections that were cut at the drain timeout. */
  readonly cut: number;
  readonly changed: boolean;
  /** What was answered by whom while each step but the last lasted. */
  readonly shares: readonly StepShares[];
  /** The rendered configuration, for people. */
  readonly rendered: string;
}

/**
 * The one protocol that moves traffic; a canary step, a rollback and maintenance are the same with another plan. Until the last step
 * is committed, any failure, cancellation or crash ends with the traffic as it was before the first.
 */
export async function moveTraffic(
  op: Operation,
  operation: 'switch' | 'rollback',
  wanted: Wanted,
  request: MoveRequest,
): Promise<Moved> {
  if (isServed(op, wanted)) return nothingToMove(op, wanted);
  await warnOfOldNginx(op);
  const moving = await takeSteps(op, operation, wanted, request);
  const drained = await retireLeft(op);
  return {
    liveVersion: mainVersion(wanted.plan) ?? '',
    previousVersion: liveVersion(op.deployment) ?? '',
    plan: wanted.plan,
    ...moving,
    cut: drained.cut,
    changed: true,
  };
}

function isServed(op: Operation, wanted: Wanted): boolean {
  const { traffic, releases } = op.deployment;
  if (releases.some((release) => wanted.abandoned?.includes(release.version))) return false;
  return JSON.stringify([traffic?.route, traffic?.plan]) === JSON.stringify([wanted.route, wanted.plan]);
}

/** The same again is no move, but an Nginx that lost its configuration meanwhile gets it back. */
async function nothingToMove(op: Operation, wanted: Wanted): Promise<Moved> {
  const generation = op.deployment.traffic?.generation ?? 0;
  const { route, plan } = wanted;
  const staged = await stageEverywhere(op.ctx, op.deployment, { generation, route, plan });
  await activateEverywhere(op, staged, 'auto');
  const live = mainVersion(wanted.plan) ?? '';
  op.ctx.log.info(`${op.ctx.id} has this traffic already (generation ${generation}).`);
  const same = { liveVersion: live, previousVersion: live, plan: wanted.plan, generation };
  return { ...same, milliseconds: 0, how: 'nothing', cut: 0, changed: false, shares: [], rendered: textOf(staged) };
}

type Steps = Pick<Moved, 'generation' | 'milliseconds' | 'how' | 'shares' | 'rendered'>;

async function takeSteps(
  op: Operation,
  operation: Journal['operation'],
  wanted: Wanted,
  request: MoveRequest,
): Promise<Steps> {
  const before = op.deployment.traffic;
  const journal = journalOf(op, operation, wanted.plan, request.reason);
  const plans = plansOnTheWay(before?.plan ?? null, wanted.plan, wanted.abandoned?.length ? [] : request.steps);
  const first = before?.generation ?? (await highestServed(op));
  let steps: Steps = { generation: first, milliseconds: 0, how: 'nothing', shares: [], rendered: '' };
  let since = 0;
  await op.write({ journal });
  try {
    for (const [index, plan] of plans.entries()) {
      if (index > 0) {
        await op.ctx.clock.sleep(request.stepInterval, op.signal);
        const done = plans[index - 1];
        if (done && request.stepInterval > 0)
          steps = { ...steps, shares: [...steps.shares, await observe(op, done, since)] };
      }
      const last = index === plans.length - 1;
      const after = last
        ? { ...journal, phase: 'draining' as const, retiring: retiringUnder(op, wanted, request) }
        : journal;
      const traffic = { generation: steps.generation + 1, route: wanted.route, plan };
      const staged = await stageEverywhere(op.ctx, op.deployment, traffic);
      steps = { ...steps, generation: traffic.generation };
      const activated = await step(op, staged, traffic, request.activation, after);
      since = op.ctx.clock.now();
      const milliseconds = steps.milliseconds + activated.milliseconds;
      steps = { ...steps, milliseconds, how: activated.how, rendered: textOf(staged) };
    }
    return steps;
  } catch (error) {
    throw await undo(op, before, steps.generation > first ? steps.generation : null, error);
  }
}

/** Activate, confirm, commit: one generation that every Nginx has tested. */
async function step(
  op: Operation,
  staged: Staged,
  traffic: Traffic,
  activation: Activation,
  after: Journal,
): Promise<Activated> {
  const weights = weightsOf(traffic.plan);
  return op.ctx.log.group(`Traffic ${weights} (generation ${traffic.generation})`, async () => {
    const activated = await activateEverywhere(op, staged, activation);
    const event = eventOf(
      op.ctx,
      after.operation === 'rollback' ? 'rolled-back' : 'switched',
      after.version,
      weights,
      after.reason,
    );
    const now = await op.ctx.registry.read(op.ctx.id);
    await op.write({ traffic, journal: after, releases: statesUnder(now, traffic.plan), events: [event] });
    const how = activated.how === 'nothing' ? 'No change' : `Moved by ${activated.how}`;
    op.ctx.log.info(
      `${how} in ${Math.round(activated.milliseconds)} ms; every Nginx answers with generation ${traffic.generation}.`,
    );
    return activated;
  });
}

function journalOf(op: Operation, operation: Journal['operation'], plan: TrafficPlan, reason: string): Journal {
  return {
    operation,
    phase: 'activating',
    version: gaining(op.deployment.traffic?.plan ?? null, plan)?.version ?? '',
    from: op.deployment.traffic,
    retiring: [],
    startedAt: new Date(op.ctx.clock.now()).toISOString(),
    run: op.ctx.run,
    reason,
  };
}

/** Drains and retires, then forgets what is too old to return to. The move is committed: nothing here undoes it. */
async function retireLeft(op: Operation): Promise<{ readonly cut: number }> {
  const { journal } = await op.ctx.registry.read(op.ctx.id);
  const drained = await retire(op, journal?.retiring ?? []);
  // With the journal left standing the next run removes what the pruning left behind.
  if (await attempt(op, 'Old releases could not be pruned', () => pruneReleases(op))) await op.write({ journal: null });
  return drained;
}

/**
 * Back to the traffic before the first step, under a generation of its own; null when no Nginx was told anything yet. Returns the error
 * to throw, which says what serves now. A run that lost its lease leaves this to the one that has it: the journal tells what to do.
 */
async function undo(
  op: Operation,
  before: Traffic | null,
  generation: number | null,
  cause: unknown,
): Promise<unknown> {
  if (cause instanceof StaleLeaseError || op.signal.reason instanceof StaleLeaseError) return cause;
  const was = before ? weightsOf(before.plan) : 'nothing';
  const traffic = before && generation !== null ? { ...before, generation: generation + 1 } : before;
  try {
    const returned = generation === null ? NOTHING_DONE : await returnEverywhere(op, op.deployment, traffic);
    if (!returned.complete)
      return saying(
        cause,
        `All other hosts serve the traffic of before (${was}) again. The next run of any action returns these:\n${returned.failures}`,
      );
    op.ctx.log.warning(`Traffic is as before: ${was}.`);
    await attempt(op, 'The registry could not be told; the next run of any action does it', async () => {
      const states = before ? statesUnder(await op.ctx.registry.read(op.ctx.id), before.plan) : [];
      await op.write({ ...(traffic ? { traffic } : {}), journal: null, releases: states });
    });
    return saying(cause, `Every Nginx serves the traffic of before: ${was}.`);
  } catch (error) {
    return error;
  }
}

const NOTHING_DONE: Returned = { complete: true, failures: '' };

/** The same error, and what serves after it. */
function saying(error: unknown, serving: string): unknown {
  if (!(error instanceof DeliveryError)) return error;
  return new DeliveryError(error.message, serving, { cause: error.cause });
}

/** Without a committed generation the numbering continues what an Nginx serves, so that no generation means two things. */
async function highestServed(op: Operation): Promise<number> {
  const states = await Promise.all(op.ctx.fleet.proxies.map((proxy) => proxy.state(op.ctx.id)));
  return Math.max(0, ...states.map((state) => state?.generation ?? 0));
}

async function warnOfOldNginx(op: Operation): Promise<void> {
  for (const proxy of op.ctx.fleet.proxies) {
    const { gracefulReload, version } = await proxy.capabilities();
    if (gracefulReload) continue;
    op.ctx.log.warning(
      `${proxy.name} runs Nginx ${version}, whose reload closes keep-alive connections while clients are sending: ` +
        'about 8 resets a reload were measured with 64 clients. Nginx 1.27.4 or newer has `keepalive_min_timeout`, which prevents it.',
    );
  }
}

/** With several hosts, each one's configuration under its name. */
function textOf(staged: Staged): string {
  const texts = staged.map(({ proxy, staged: { text } }) => [`# host ${proxy.name}`, text] as const);
  return texts.map(([host, text]) => (staged.length === 1 ? text : `${host}\n${text}`)).join('\n');
}

/** `v2=10 v1=90`. */
export function weightsOf(plan: TrafficPlan): string {
  return plan.targets.map((target) => `${target.version}=${target.weight}`).join(' ');
}
