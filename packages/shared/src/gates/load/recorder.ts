import type { Failure } from '../probe/failure.ts';
import type { Outcome } from './connection.ts';
import { DurationHistogram } from './histogram.ts';
import type { GeneratorReport, LoadResult, Second } from './result.ts';

/** No series is longer: one entry a second for a day. */
const MAX_SECONDS = 86_400;
const MAX_VERSIONS = 100;

/** The class of a finished request; null when it succeeded. Redirects (3xx) are successes: they are what was asked for. */
export function failureOf(outcome: Outcome): Failure | null {
  if (outcome.failure) return outcome.failure;
  if (outcome.status >= 500) return 'http-5xx';
  return outcome.status >= 400 ? 'http-4xx' : null;
}

/** Gathers what happened to the measured requests. All times in milliseconds of one monotonic clock. */
export class Recorder {
  readonly #begin: number;
  readonly #latency = new DurationHistogram();
  readonly #service = new DurationHistogram();
  readonly #connect = new DurationHistogram();
  readonly #thisSecond = new DurationHistogram(2);
  readonly #series: Second[] = [];
  readonly #errors: Partial<Record<Failure, number>> = {};
  readonly #examples: Partial<Record<Failure, string>> = {};
  readonly #statuses: Record<string, number> = {};
  readonly #versions: Record<string, number> = Object.create(null);
  #second = 0;
  #secondRequests = 0;
  #secondErrors = 0;
  #bytes = 0;
  #opened = 0;
  #resetWhenReused = 0;
  #requests = 0;
  #succeeded = 0;
  #outstanding = 0;
  /** Since when a request has been due without any success; undefined while nothing is due. */
  #waitingSince: number | undefined;
  #longestGap = 0;
  #firstSuccess = 0;
  #lastSuccess = 0;

  constructor(begin: number) {
    this.#begin = begin;
  }

  get requests(): number {
    return this.#requests;
  }

  get failed(): number {
    return this.#requests - this.#succeeded;
  }

  /** A copy of the answers per version so far. */
  get versions(): Readonly<Record<string, number>> {
    return { ...this.#versions };
  }

  /** A request came to be due (open loop) or was sent (closed loop). */
  due(at: number): void {
    this.#outstanding += 1;
    this.#waitingSince ??= at;
  }

  opened(): void {
    this.#opened += 1;
  }

  connected(ms: number): void {
    this.#connect.record(ms);
  }

  /** @param backlog a request that is due has not been sent yet. */
  ended(outcome: Outcome, due: number, sent: number, now: number, backlog: boolean): void {
    const failure = failureOf(outcome);
    this.#turnTo(Math.floor((now - this.#begin) / 1000));
    this.#outstanding -= 1;
    this.#requests += 1;
    this.#secondRequests += 1;
    this.#bytes += outcome.bytes;
    if (outcome.failure === null) {
      count(this.#statuses, String(outcome.status));
      count(this.#versions, this.#versionLabel(outcome.version));
    }
    if (failure) this.#failure(failure, outcome);
    else this.#success(now, backlog);
    if (!failure || failure === 'timeout' || failure === 'unsent') {
      this.#latency.record(now - due);
      this.#service.record(now - sent);
      this.#thisSecond.record(now - due);
    }
  }

  /** A target that answers every request with another version must not fill the memory. */
  #versionLabel(version: string): string {
    return version in this.#versions || Object.keys(this.#versions).length < MAX_VERSIONS ? version : '(others)';
  }

  #failure(failure: Failure, outcome: Outcome): void {
    this.#secondErrors += 1;
    this.#errors[failure] = (this.#errors[failure] ?? 0) + 1;
    if (failure === 'reset' && outcome.reused) this.#resetWhenReused += 1;
    const words = outcome.error instanceof Error ? outcome.error.message : `status ${outcome.status}`;
    this.#examples[failure] ??= words || String(outcome.error);
  }

  #success(now: number, backlog: boolean): void {
    if (this.#succeeded === 0) this.#firstSuccess = now;
    this.#succeeded += 1;
    this.#lastSuccess = now;
    this.#longestGap = Math.max(this.#longestGap, now - (this.#waitingSince ?? now));
    this.#waitingSince = this.#outstanding > 0 || backlog ? now : undefined;
  }

  #turnTo(second: number): void {
    if (second <= this.#second) return;
    if (this.#secondRequests > 0 && this.#series.length < MAX_SECONDS) {
      this.#series.push({
        second: this.#second,
        requests: this.#secondRequests,
        errors: this.#secondErrors,
        p50: this.#thisSecond.percentile(50),
        p99: this.#thisSecond.percentile(99),
        max: this.#thisSecond.max,
      });
    }
    this.#second = second;
    this.#secondRequests = 0;
    this.#secondErrors = 0;
    this.#thisSecond.reset();
  }

  /**
   * @param planned the end of the plan; what completes later belongs to it.
   * @param now when the last request had ended.
   */
  result(
    about: Pick<LoadResult, 'engine' | 'url' | 'startedAt' | 'intendedRate'>,
    planned: number,
    now: number,
    generator: GeneratorReport | null,
  ): LoadResult {
    this.#turnTo(Number.POSITIVE_INFINITY);
    if (this.#waitingSince !== undefined) this.#longestGap = Math.max(this.#longestGap, now - this.#waitingSince);
    const seconds = Math.max(0, planned - this.#begin) / 1000;
    return {
      ...about,
      seconds,
      requests: this.#requests,
      succeeded: this.#succeeded,
      failed: this.failed,
      errorRate: this.#requests === 0 ? 0 : this.failed / this.#requests,
      rps: this.#throughput(seconds),
      errors: this.#errors,
      examples: this.#examples,
      statuses: this.#statuses,
      versions: this.versions,
      latency: this.#latency.summary(),
      service: this.#service.summary(),
      connect: this.#connect.summary(),
      longestGap: this.#longestGap,
      connections: { opened: this.#opened, resetWhenReused: this.#resetWhenReused },
      bytes: this.#bytes,
      series: this.#series,
      generator,
    };
  }

  /**
   * Successes a second, over the plan's length, or over the time the successes really took where a target that cannot keep up stretches
   * them beyond it. The last answer's own latency must not count as a shortfall: 0.5 % of the plan, at least 10 ms, is let pass.
   */
  #throughput(seconds: number): number {
    if (this.#succeeded === 0) return 0;
    const spread = (this.#lastSuccess - this.#firstSuccess) / 1000;
    const length = Math.max(seconds, spread - Math.max(0.01, seconds / 200));
    return length <= 0 ? 0 : this.#succeeded / length;
  }
}

function count(into: Record<string, number>, key: string): void {
  into[key] = (into[key] ?? 0) + 1;
}
