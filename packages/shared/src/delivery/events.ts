import type { HistoryEvent } from '../domain/deployment.ts';
import type { Context } from './ports.ts';

/** An entry of the history, stamped with the time and the run. */
export function eventOf(
  ctx: Pick<Context, 'clock' | 'run'>,
  event: HistoryEvent['event'],
  version: string,
  detail: string,
  reason = '',
): HistoryEvent {
  return { at: new Date(ctx.clock.now()).toISOString(), event, version, detail, reason, run: ctx.run };
}
