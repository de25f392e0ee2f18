import { type Journal, liveVersion, type Retirement } from '../domain/deployment.ts';
import { DeliveryError, StaleLeaseError } from '../domain/errors.ts';
import {
  gaining,
  mainVersion,
  type Route,
  shift,
  type Traffic,
  type TrafficPlan,
  versionsIn,
  weightOf,
} from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { attempt } from './hosts.ts';
import type { Operation } from './operation.ts';
import { pruneReleases } from './prune.ts';
import { statesUnder } from './recover.ts';
import { retire } from './retire.ts';
import {
  type Activated,
  type Activation,
  activateEverywhere,
  publish,
  type Returned,
  returnEverywhere,
  type Staged,
  stageEverywhere,
} from './traffic.ts';

export type KeepPrevious = 'running' | 'stopped' | 'none';

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
}

type Wanted = { readonly route: Route; readonly plan: TrafficPlan };

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
  const { traffic } = op.deployment;
  return JSON.stringify([traffic?.route, traffic?.plan]) === JSON.stringify([wanted.route, wanted.plan]);
}

/** The same again is no move, but an Nginx that lost its configuration meanwhile gets it back. */
async function nothingToMove(op: Operation, wanted: Wanted): Promise<Moved> {
  await publish(op, op.deployment);
  const live = mainVersion(wanted.plan) ?? '';
  const generation = op.deployment.traffic?.generation ?? 0;
  op.ctx.log.info(`${op.ctx.id} has this traffic already (generation ${generation}).`);
  const same = { liveVersion: live, previousVersion: live, plan: wanted.plan, generation };
  return { ...same, milliseconds: 0, how: 'nothing', cut: 0, changed: false };
}

type Steps = Pick<Moved, 'generation' | 'milliseconds' | 'how'>;

async function takeSteps(
  op: Operation,
  operation: Journal['operation'],
  wanted: Wanted,
  request: MoveRequest,
): Promise<Steps> {
  const before = op.deployment.traffic;
  const journal = journalOf(op, operation, wanted.plan, request.reason);
  const plans = plansOnTheWay(before?.plan ?? null, wanted.plan, request.steps);
  const first = before?.generation ?? (await highestServed(op));
  let steps: Steps = { generation: first, milliseconds: 0, how: 'nothing' };
  await op.write({ journal });
  try {
    for (const [index, plan] of plans.entries()) {
      if (index > 0) await op.ctx.clock.sleep(request.stepInterval, op.signal);
      const last = index === plans.length - 1;
      const after = last
        ? { ...journal, phase: 'draining' as const, retiring: retiringUnder(op, plan, request) }
        : journal;
      const traffic = { generation: steps.generation + 1, route: wanted.route, plan };
      const staged = await stageEverywhere(op.ctx, op.deployment, traffic);
      steps = { ...steps, generation: traffic.generation };
      const activated = await step(op, staged, traffic, request.activation, after);
      steps = { ...steps, milliseconds: steps.milliseconds + activated.milliseconds, how: activated.how };
    }
    return steps;
  } catch (error) {
    throw await undo(op, before, steps.generation > first ? steps.generation : null, error);
  }
}

/** The plan at each step: growing weights of the version that gains when others are live, then the wished plan. */
export function plansOnTheWay(
  current: TrafficPlan | null,
  wanted: TrafficPlan,
  steps: readonly number[],
): readonly TrafficPlan[] {
  const target = gaining(current, wanted);
  if (!current || !target || wanted.maintenance || current.maintenance) return [wanted];
  const from = weightOf(current, target.version);
  const onTheWay = steps.filter((weight) => weight > from && weight < target.weight);
  return [...onTheWay.map((weight) => ({ ...wanted, targets: shift(current, target.version, weight) })), wanted];
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

/**
 * What loses its last share by the plan is kept as wished; what earlier switches left warm is stopped. Nothing retires while
 * several versions share the traffic: which of them stays is not decided yet.
 */
function retiringUnder(
  op: Operation,
  plan: TrafficPlan,
  request: Pick<MoveRequest, 'keepPrevious' | 'drainTimeout'>,
): readonly Retirement[] {
  const deadline = op.ctx.clock.now() + request.drainTimeout;
  const before = op.deployment.traffic ? versionsIn(op.deployment.traffic.plan) : [];
  const serving = versionsIn(plan);
  const left = before.filter((version) => !serving.includes(version));
  const warm = op.deployment.releases.filter((release) => release.state === 'standby').map((each) => each.version);
  const older = serving.length > 1 ? [] : warm.filter((version) => !serving.includes(version));
  const keepOlder = request.keepPrevious === 'none' ? 'none' : 'stopped';
  return [
    ...left.map((version): Retirement => ({ version, deadline, keep: request.keepPrevious })),
    ...older
      .filter((version) => !left.includes(version))
      .map((version): Retirement => ({ version, deadline, keep: keepOlder })),
  ];
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

/** `v2=10 v1=90`. */
export function weightsOf(plan: TrafficPlan): string {
  return plan.targets.map((target) => `${target.version}=${target.weight}`).join(' ');
}
