import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type Outcome } from './connection.ts';
import { type LoadRun, type Prepared, prepare, type RequestOptions } from './options.ts';
import { Recorder } from './recorder.ts';
import type { LoadResult } from './result.ts';

export interface ClosedLoopOptions extends RequestOptions {
  /** Default 64. */
  readonly clients?: number;
  /** Milliseconds that a client waits between an answer and its next request; default 0. */
  readonly pause?: number;
}

const DEFAULT_CLIENTS = 64;
/** After a failed connection, so that a target that is down is not hammered. */
const AFTER_FAILURE_MS = 5;

/**
 * Clients that each keep one connection and send the next request when the last was answered, without ever repeating one: what detects a reset of
 * a kept connection exactly, since each such reset loses a request. Runs until `stop`; latency is service time, as there is no plan.
 */
export function closedLoop(options: ClosedLoopOptions): LoadRun {
  const prepared = prepare(options);
  const begin = prepared.now();
  const startedAt = new Date().toISOString();
  const recorder = new Recorder(begin);
  const stopping = new AbortController();
  const cut = new Set<() => void>();
  const abort = (): void => {
    stopping.abort();
    for (const each of cut) each();
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted) abort();
  const clients = Array.from({ length: options.clients ?? DEFAULT_CLIENTS }, () =>
    client(prepared, options, recorder, stopping.signal, cut),
  );
  const result = Promise.all(clients).then((): LoadResult => {
    options.signal?.removeEventListener('abort', abort);
    options.signal?.throwIfAborted();
    const about = { engine: 'closed-loop', url: prepared.shownUrl, startedAt, intendedRate: null };
    return recorder.result(about, prepared.now(), prepared.now(), null);
  });
  result.catch(() => {});
  return {
    result,
    stop() {
      stopping.abort();
      return result;
    },
    progress: () => ({ requests: recorder.requests, failed: recorder.failed, versions: recorder.versions }),
  };
}

/** One client's life. `cut` holds what ends its request at once. */
async function client(
  prepared: Prepared,
  options: ClosedLoopOptions,
  recorder: Recorder,
  stopping: AbortSignal,
  cut: Set<() => void>,
): Promise<void> {
  let connection: Connection | null = null;
  const open = (): Connection => {
    recorder.opened();
    return new Connection(
      prepared.endpoint,
      (ms) => recorder.connected(ms),
      (closed) => {
        if (connection === closed) connection = null;
      },
    );
  };
  while (!stopping.aborted) {
    connection ??= open();
    const outcome = await exchange(connection, prepared, options, recorder, cut);
    if (!outcome) return;
    if (!outcome.reusable) connection = null;
    const pause = outcome.failure ? Math.max(AFTER_FAILURE_MS, options.pause ?? 0) : (options.pause ?? 0);
    if (pause > 0) await sleep(pause, undefined, { signal: stopping }).catch(() => {});
  }
  connection?.destroy();
}

/** One request; null when it was cut short by the caller's signal. */
function exchange(
  connection: Connection,
  { request, headRequest, timeout, now }: Prepared,
  options: ClosedLoopOptions,
  recorder: Recorder,
  cut: Set<() => void>,
): Promise<Outcome | null> {
  return new Promise((resolve) => {
    const sent = now();
    const stop = (): void => {
      connection.destroy();
      resolve(null);
    };
    cut.add(stop);
    recorder.due(sent);
    connection.send(request, headRequest, timeout, (outcome) => {
      cut.delete(stop);
      const done = now();
      recorder.ended(outcome, sent, sent, done, false);
      const { status, version, failure, reused } = outcome;
      options.onSample?.({ due: sent, sent, done, status, version, failure, reused, warmup: false });
      resolve(outcome);
    });
  });
}
