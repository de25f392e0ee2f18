import { findRelease } from '../domain/deployment.ts';
import { UserError } from '../domain/errors.ts';
import type { Verdict } from '../domain/verdict.ts';
import { eventOf } from './events.ts';
import type { Operation } from './lease.ts';
import { operate } from './operation.ts';
import type { Context } from './ports.ts';

/** Keeps in the registry what verification found of a live version: a passed one can be rolled back to, a failed one is never again. */
export function recordVerification(ctx: Context, version: string, verdict: Verdict, detail: string): Promise<void> {
  const work = async (op: Operation): Promise<void> => {
    const release = findRelease(op.deployment, version);
    if (!release)
      throw new UserError(
        `Version ${version} is not registered for ${ctx.id}.`,
        'Give the version that register-container put out.',
      );
    if (verdict === 'inconclusive') return;
    const now = new Date(ctx.clock.now()).toISOString();
    const passed = verdict === 'pass';
    await op.write({
      releases: [
        passed
          ? { ...release, verifiedAt: now, state: release.state === 'failed' ? 'live' : release.state }
          : { ...release, verifiedAt: '', state: 'failed' },
      ],
      events: [eventOf(op.ctx, passed ? 'verified' : 'failed', version, detail)],
    });
  };
  // What was found is kept even while a host is away: a rollback may depend on it.
  return operate(ctx, { operation: 'verify', version, reason: '' }, work, { registryAlone: true });
}
