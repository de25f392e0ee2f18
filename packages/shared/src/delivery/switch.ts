import { type Deployment, findRelease } from '../domain/deployment.ts';
import { UserError } from '../domain/errors.ts';
import { type Route, type TrafficPlan, versionsIn } from '../domain/traffic.ts';
import { type Moved, type MoveRequest, moveTraffic } from './move.ts';
import { operate } from './operation.ts';
import type { Context } from './ports.ts';

export interface SwitchRequest extends MoveRequest {
  /** Shown to whoever waits for the lease. */
  readonly version: string;
  /** The traffic wished for, from what is live now. Throws `UserError` when it cannot be. */
  readonly wanted: (deployment: Deployment) => {
    readonly route: Route;
    readonly plan: TrafficPlan;
    readonly abandoned?: readonly string[];
  };
}

/** Moves traffic as wished, step by step, and retires what is left without any. */
export function switchTraffic(ctx: Context, request: SwitchRequest): Promise<Moved> {
  return operate(ctx, { operation: 'switch', version: request.version, reason: request.reason }, async (op) => {
    const wanted = request.wanted(op.deployment);
    await refuseUnregistered(op.ctx, op.deployment, wanted.plan);
    refuseFailed(op.deployment, wanted.plan);
    refuseOvertaken(op.deployment, wanted.plan);
    return moveTraffic(op, 'switch', wanted, request);
  });
}

async function refuseUnregistered(ctx: Context, deployment: Deployment, plan: TrafficPlan): Promise<void> {
  const unknown = versionsIn(plan).filter((version) => !findRelease(deployment, version));
  if (unknown.length === 0) return;
  const known = deployment.releases.map((release) => `${release.version} (${release.state})`).join(', ') || 'nothing';
  const events = await ctx.registry.history(ctx.id, HISTORY);
  const removed = events.find((each) => each.event === 'removed' && unknown.includes(each.version));
  throw new UserError(
    `${unknown.join(', ')} is not registered for ${deployment.id}. ` +
      `${removed ? `${removed.version} was ${removed.detail} (${removed.at}). ` : ''}Registered: ${known}.`,
    'Register it with register-container first.',
  );
}

/** So many events are looked through for what became of a version. */
const HISTORY = 200;

function refuseFailed(deployment: Deployment, plan: TrafficPlan): void {
  for (const version of versionsIn(plan)) {
    if (findRelease(deployment, version)?.state !== 'failed') continue;
    throw new UserError(
      `${version} is marked failed.`,
      'Register a new version, or use rollback with `force: true` to return to this one.',
    );
  }
}

/** A candidate that a newer release has overtaken never gets traffic: an older run that finishes late changes nothing. */
function refuseOvertaken(deployment: Deployment, plan: TrafficPlan): void {
  const live = deployment.releases.filter((release) => release.state === 'live');
  for (const version of versionsIn(plan)) {
    const release = findRelease(deployment, version);
    const newer = release?.state === 'candidate' ? live.find((each) => each.order > release.order) : undefined;
    if (!newer) continue;
    throw new UserError(
      `${version} is older than ${newer.version}, which went live meanwhile.`,
      'Nothing was changed. Use rollback to return to an older version.',
    );
  }
}
