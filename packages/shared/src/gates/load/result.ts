import type { Failure } from '../probe/failure.ts';

/** What a histogram says. Milliseconds; all zero when `count` is 0. Each value is within `HISTOGRAM_ERROR` of the truth. */
export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly 'p99.9': number;
}

/** Relative error of a percentile: the histogram keeps three significant digits. */
export const HISTOGRAM_ERROR = 0.001;

/** What was completed within one second, counted from the beginning of the measurement. Latencies in milliseconds (two digits). */
export interface Second {
  readonly second: number;
  readonly requests: number;
  readonly errors: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How well the load generator itself kept to its plan. */
export interface GeneratorReport {
  /** Milliseconds between the time a request was due and the time it was sent, waits for a free connection left out. */
  readonly lagP50: number;
  readonly lagP99: number;
  readonly lagMax: number;
  /** Requests that were due while every connection was busy: the limit on connections, not the generator, held them up. */
  readonly delayed: number;
  /** The generator distorted the latencies or could not send as planned; `note` says how. */
  readonly bottleneck: boolean;
  readonly note: string;
}

/** The normalised result of a load test, whichever engine made it. Warm-up is not in it. */
export interface LoadResult {
  readonly engine: string;
  /** Without its query. */
  readonly url: string;
  /** ISO 8601, the beginning of the measurement. */
  readonly startedAt: string;
  /** Length of the measurement in seconds. */
  readonly seconds: number;
  /** Requests that were due a second; null for a closed loop. */
  readonly intendedRate: number | null;
  /** Everything that was due in the measurement, answered or not. */
  readonly requests: number;
  /** Answered completely with a status below 400. Redirects are not followed. */
  readonly succeeded: number;
  readonly failed: number;
  /** `failed / requests`, 0 to 1; 0 when nothing was sent. */
  readonly errorRate: number;
  /** Successful answers a second. */
  readonly rps: number;
  readonly errors: Readonly<Partial<Record<Failure, number>>>;
  /** The words of the first error of each class. */
  readonly examples: Readonly<Partial<Record<Failure, string>>>;
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers per value of the version header; `` (empty) for answers without it. */
  readonly versions: Readonly<Record<string, number>>;
  /**
   * From the time a request was due until its answer was complete, so that a stalled target is charged for every request it held up
   * (no coordinated omission). Holds successful answers, and timeouts with the time waited, a lower bound.
   */
  readonly latency: Distribution;
  /** The same requests, from the time they were really sent. */
  readonly service: Distribution;
  /** Time to set up a connection (TCP, and TLS where used). */
  readonly connect: Distribution;
  /** Milliseconds: the longest time without a successful answer while a request was due or under way. */
  readonly longestGap: number;
  readonly connections: { readonly opened: number; readonly resetWhenReused: number };
  /** Bytes of answers' bodies. */
  readonly bytes: number;
  readonly series: readonly Second[];
  /** Null for a closed loop, which has no plan to keep to. */
  readonly generator: GeneratorReport | null;
}

/** One request, told as it ends. Times in milliseconds of the engine's monotonic clock. */
export interface Sample {
  readonly due: number;
  readonly sent: number;
  readonly done: number;
  readonly status: number;
  readonly version: string;
  readonly failure: Failure | null;
  /** Sent on a connection that had carried a request before. */
  readonly reused: boolean;
  /** In the warm-up: not part of the result. */
  readonly warmup: boolean;
}
