import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Distribution } from './result.ts';

/** The longest time that is told apart: one hour. */
const HIGHEST_US = 3_600_000_000;

/** Durations in a high dynamic range histogram: Node's own, which is Gil Tene's C library and costs nothing to load. */
export class DurationHistogram {
  readonly #histogram: RecordableHistogram;

  /** @param digits significant decimal digits: 3 gives a relative error of 0.1 %. */
  constructor(digits = 3) {
    this.#histogram = createHistogram({ lowest: 1, highest: HIGHEST_US, figures: digits });
  }

  record(ms: number): void {
    this.#histogram.record(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * 1000))));
  }

  get count(): number {
    return this.#histogram.count;
  }

  get max(): number {
    return this.count === 0 ? 0 : this.#histogram.max / 1000;
  }

  /** Milliseconds; `percent` above 0, at most 100. 0 when nothing was recorded. */
  percentile(percent: number): number {
    return this.count === 0 ? 0 : this.#histogram.percentile(percent) / 1000;
  }

  reset(): void {
    this.#histogram.reset();
  }

  summary(): Distribution {
    const empty = this.count === 0;
    const at = (percent: number): number => Math.min(this.max, this.percentile(percent));
    return {
      count: this.count,
      min: empty ? 0 : this.#histogram.min / 1000,
      mean: empty ? 0 : this.#histogram.mean / 1000,
      max: this.max,
      p50: at(50),
      p75: at(75),
      p90: at(90),
      p95: at(95),
      p99: at(99),
      'p99.9': at(99.9),
    };
  }
}
