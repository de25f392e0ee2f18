import { Connection, type Outcome } from './connection.ts';
import { DurationHistogram } from './histogram.ts';
import { type LoadRun, type Prepared, prepare, type RequestOptions } from './options.ts';
import { Recorder } from './recorder.ts';
import type { GeneratorReport, LoadResult } from './result.ts';

export interface LoadOptions extends RequestOptions {
  /** Requests a second. */
  readonly rate: number;
  /** The most requests under way at once; default 64. */
  readonly connections?: number;
  /** Milliseconds of measurement; left out: until `stop`. */
  readonly duration?: number;
  /** Milliseconds of the same load before the measurement; default 0. */
  readonly warmup?: number;
  /** `mixed` (default): every twentieth request opens a connection of its own, the others share kept ones. */
  readonly keepAlive?: 'keep-alive' | 'fresh' | 'mixed';
}

const DEFAULT_CONNECTIONS = 64;
const FRESH_EVERY = 20;
/** Node's timers are 1 to 2 ms coarse: nearer than this, the event loop is turned until the time has come. */
const SPIN_MS = 2.5;
/** While nothing can be sent, look so often for requests that have waited too long. */
const IDLE_CHECK_MS = 20;

/**
 * Open-loop load at a constant rate: each request has a time at which it is due, which does not move when the target stalls, and its latency
 * counts from then. Nothing is ever repeated. A request that finds no free connection within `timeout` fails as `unsent`.
 */
export function runLoad(options: LoadOptions): LoadRun {
  if (!(options.rate > 0)) throw new TypeError('rate must be above 0');
  return new Prober(options, prepare(options));
}

class Prober implements LoadRun {
  readonly result: Promise<LoadResult>;
  readonly #options: LoadOptions;
  readonly #prepared: Prepared;
  readonly #recorder: Recorder;
  readonly #lag = new DurationHistogram();
  readonly #startedAt: string;
  readonly #start: number;
  readonly #begin: number;
  readonly #interval: number;
  readonly #limit: number;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #settle: { resolve: (result: LoadResult) => void; reject: (reason: unknown) => void };
  #end: number;
  #index = 0;
  #due: number;
  #inFlight = 0;
  #roomSince = 0;
  #delayed = 0;
  #timer: NodeJS.Timeout | undefined;
  #spinning = false;
  #finished = false;

  constructor(options: LoadOptions, prepared: Prepared) {
    this.#options = options;
    this.#prepared = prepared;
    this.#interval = 1000 / options.rate;
    this.#limit = options.connections ?? DEFAULT_CONNECTIONS;
    this.#start = prepared.now();
    this.#due = this.#start;
    this.#begin = this.#start + (options.warmup ?? 0);
    this.#end = this.#begin + (options.duration ?? Number.POSITIVE_INFINITY);
    this.#recorder = new Recorder(this.#begin);
    this.#startedAt = new Date(Date.now() + (options.warmup ?? 0)).toISOString();
    const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
    promise.catch(() => {}); // whoever awaits the result is told; nobody has to
    this.result = promise;
    this.#settle = { resolve, reject };
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    if (options.signal?.aborted) this.#abort();
    else this.#tick();
  }

  stop(): Promise<LoadResult> {
    this.#end = Math.min(this.#end, this.#prepared.now());
    this.#wake();
    return this.result;
  }

  progress(): { requests: number; failed: number; versions: Readonly<Record<string, number>> } {
    const { requests, failed, versions } = this.#recorder;
    return { requests, failed, versions };
  }

  readonly #tick = (): void => {
    this.#spinning = false;
    if (this.#finished) return;
    this.#pump();
    const done = this.#due >= this.#end;
    const left = this.#due - this.#prepared.now();
    if (done && this.#inFlight === 0) this.#finish();
    else if (done || this.#full()) this.#timer = setTimeout(this.#tick, IDLE_CHECK_MS);
    else if (left > SPIN_MS) this.#timer = setTimeout(this.#tick, Math.floor(left - 1.5));
    else {
      this.#spinning = true;
      setImmediate(this.#tick);
    }
  };

  /** Something happened that the timer did not foresee. */
  #wake(): void {
    if (this.#spinning || this.#finished) return;
    clearTimeout(this.#timer);
    this.#tick();
  }

  #full(): boolean {
    return this.#inFlight >= this.#limit;
  }

  /** Sends all that is due and finds room. */
  #pump(): void {
    let now = this.#prepared.now();
    while (this.#due <= now && this.#due < this.#end) {
      if (now - this.#due >= this.#prepared.timeout) this.#giveUp(now);
      else if (this.#full()) return;
      else this.#send(this.#due, now);
      this.#index += 1;
      this.#due = this.#start + this.#index * this.#interval;
      now = this.#prepared.now();
    }
  }

  #send(due: number, now: number): void {
    const measured = due >= this.#begin;
    const fresh = this.#isFresh();
    const connection = (fresh ? undefined : this.#idle.shift()) ?? this.#open(measured);
    this.#inFlight += 1;
    if (measured) {
      this.#recorder.due(due);
      this.#lag.record(now - Math.max(due, this.#roomSince));
      if (this.#roomSince > due) this.#delayed += 1;
    }
    const { request, closing, headRequest, timeout } = this.#prepared;
    connection.send(fresh ? closing : request, headRequest, timeout, (outcome) =>
      this.#ended(connection, fresh, outcome, due, now),
    );
  }

  #isFresh(): boolean {
    const mode = this.#options.keepAlive ?? 'mixed';
    return mode === 'fresh' || (mode === 'mixed' && this.#index % FRESH_EVERY === FRESH_EVERY - 1);
  }

  #open(measured: boolean): Connection {
    if (measured) this.#recorder.opened();
    const connection = new Connection(
      this.#prepared.endpoint,
      (ms) => measured && this.#recorder.connected(ms),
      (closed) => this.#forget(closed),
    );
    this.#all.add(connection);
    return connection;
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #ended(connection: Connection, fresh: boolean, outcome: Outcome, due: number, sent: number): void {
    const now = this.#prepared.now();
    if (this.#full()) this.#roomSince = now;
    this.#inFlight -= 1;
    if (outcome.reusable && !fresh) this.#idle.push(connection);
    else {
      if (outcome.reusable) connection.destroy();
      this.#forget(connection);
    }
    this.#tell(outcome, due, sent, now);
    if (this.#due <= now || this.#due >= this.#end) this.#wake();
  }

  /** No connection was free for as long as a request may take. */
  #giveUp(now: number): void {
    if (this.#due >= this.#begin) this.#recorder.due(this.#due);
    const error = new Error(`all ${this.#limit} connections were busy for ${this.#prepared.timeout} ms`);
    const nothing = { status: 0, version: '', bytes: 0, reused: false, reusable: false };
    this.#tell({ ...nothing, failure: 'unsent', error }, this.#due, this.#due, now);
  }

  #tell(outcome: Outcome, due: number, sent: number, now: number): void {
    const warmup = due < this.#begin;
    if (!warmup) this.#recorder.ended(outcome, due, sent, now, this.#due <= now && this.#due < this.#end);
    const { status, version, failure, reused } = outcome;
    this.#options.onSample?.({ due, sent, done: now, status, version, failure, reused, warmup });
  }

  #close(): void {
    this.#finished = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    for (const connection of this.#all) connection.destroy();
  }

  readonly #abort = (): void => {
    this.#close();
    this.#settle.reject(this.#options.signal?.reason);
  };

  #finish(): void {
    this.#close();
    const { rate } = this.#options;
    const about = { engine: 'builtin', url: this.#prepared.shownUrl, startedAt: this.#startedAt, intendedRate: rate };
    const result = this.#recorder.result(about, this.#end, this.#prepared.now(), null);
    this.#settle.resolve({ ...result, generator: generatorReport(this.#lag, this.#delayed, result) });
  }
}

/**
 * The generator distorted the measurement when its own lateness is a tenth of the 99th percentile, and above its aim of 1 ms, or
 * when this machine ran out of ports or files.
 */
export function generatorReport(lag: DurationHistogram, delayed: number, result: LoadResult): GeneratorReport {
  const { p50, p99, max } = lag.summary();
  const notes: string[] = [];
  if (result.latency.count > 0 && p99 > 1 && p99 > result.latency.p99 / 10)
    notes.push(`requests left up to ${p99.toFixed(1)} ms late (p99): the machine is too busy for this rate`);
  if (result.errors.local) notes.push(`${result.errors.local} requests failed here: ${result.examples.local ?? ''}`);
  return { lagP50: p50, lagP99: p99, lagMax: max, delayed, bottleneck: notes.length > 0, note: notes.join('; ') };
}
