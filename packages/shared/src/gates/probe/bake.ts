import type { Clock } from '../../delivery/ports.ts';
import { formatDuration } from '../../domain/grammar.ts';
import type { Verdict } from '../../domain/verdict.ts';
import { DurationHistogram } from '../load/histogram.ts';
import type { Check } from './check.ts';
import { type CheckOptions, type CheckResult, runCheck } from './checks.ts';

export interface BakeOptions extends Omit<CheckOptions, 'signal'> {
  readonly checks: readonly Check[];
  readonly url: string;
  /** Milliseconds; 0 runs the checks once. */
  readonly duration: number;
  /** Milliseconds from the beginning of one round to the beginning of the next; default 1,000. */
  readonly interval?: number;
  /** One failure more ends the bake. Default 0, or no limit when `minSuccessRate` is given. */
  readonly maxFailures?: number;
  /** 0 to 1. */
  readonly minSuccessRate?: number;
  /**
   * The share (0 to 1) of answers that may come from other versions than `expectVersion`, as in a canary; default 0: each such answer fails. The
   * share is held to within three standard deviations of a binomial count.
   */
  readonly otherVersions?: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onResult?: (result: CheckResult) => void;
}

export interface VerifyResult {
  readonly verdict: Verdict;
  /** One sentence. */
  readonly message: string;
  /** Checks made, and those of them that failed. */
  readonly checked: number;
  readonly failed: number;
  /** 0 to 1; 0 when nothing was checked. */
  readonly successRate: number;
  /** Milliseconds, of answered checks. */
  readonly p95: number;
  /** Answers per version; `` (empty) for answers that name none. */
  readonly servedVersions: Readonly<Record<string, number>>;
  readonly rounds: number;
  /** Milliseconds that the bake took. */
  readonly duration: number;
  readonly stoppedEarly: boolean;
  /** The first failures, at most 20. */
  readonly failures: readonly (CheckResult & { readonly at: string })[];
  /** Per check, in the order given. */
  readonly perCheck: readonly { readonly check: string; readonly checked: number; readonly failed: number }[];
}

const DEFAULT_INTERVAL = 1000;
const KEPT_FAILURES = 20;

/**
 * Repeats the checks, from the beginning to the end of `duration`, and decides. Fails when more than `maxFailures` checks failed (at once), when fewer than
 * `minSuccessRate` passed, or when other versions answered than allowed; inconclusive when there was nothing to check. A target that is down
 * is a failure. Rejects with the signal's reason when aborted.
 */
export async function bake(options: BakeOptions): Promise<VerifyResult> {
  const { checks, clock, signal, duration } = options;
  const interval = options.interval ?? DEFAULT_INTERVAL;
  const maxFailures = options.maxFailures ?? (options.minSuccessRate === undefined ? 0 : Number.POSITIVE_INFINITY);
  const tally = new Tally(options);
  const begun = clock.now();
  let stoppedEarly = false;
  let rounds = 0;
  for (let next = begun; checks.length > 0; ) {
    if (next > clock.now()) await clock.sleep(next - clock.now(), signal);
    stoppedEarly = await round(options, tally, maxFailures);
    rounds += 1;
    if (stoppedEarly || next >= begun + duration) break;
    next = Math.min(begun + duration, Math.max(next + interval, clock.now()));
  }
  return tally.result(rounds, clock.now() - begun, stoppedEarly, maxFailures);
}

/** All checks once; true when the failures have become too many. */
async function round(options: BakeOptions, tally: Tally, maxFailures: number): Promise<boolean> {
  const { expectVersion, ...rest } = options;
  const strict = expectVersion !== undefined && !options.otherVersions;
  for (const [index, check] of options.checks.entries()) {
    const result = await runCheck(options.url, check, { ...rest, ...(strict ? { expectVersion } : {}) });
    options.onResult?.(result);
    tally.add(index, result, new Date(options.clock.now()).toISOString());
    if (tally.failed > maxFailures) return true;
  }
  return false;
}

class Tally {
  checked = 0;
  failed = 0;
  readonly #options: BakeOptions;
  readonly #times = new DurationHistogram();
  readonly #versions: Record<string, number> = {};
  readonly #failures: (CheckResult & { at: string })[] = [];
  readonly #perCheck: { check: string; checked: number; failed: number }[];

  constructor(options: BakeOptions) {
    this.#options = options;
    this.#perCheck = options.checks.map((each) => ({ check: each.text, checked: 0, failed: 0 }));
  }

  add(index: number, result: CheckResult, at: string): void {
    const own = this.#perCheck[index];
    this.checked += 1;
    if (own) own.checked += 1;
    if (result.status > 0) {
      this.#times.record(result.milliseconds);
      this.#versions[result.version] = (this.#versions[result.version] ?? 0) + 1;
    }
    if (result.passed) return;
    this.failed += 1;
    if (own) own.failed += 1;
    if (this.#failures.length < KEPT_FAILURES) this.#failures.push({ ...result, at });
  }

  result(rounds: number, duration: number, stoppedEarly: boolean, maxFailures: number): VerifyResult {
    const successRate = this.checked === 0 ? 0 : (this.checked - this.failed) / this.checked;
    return {
      ...this.#decide(successRate, maxFailures, duration),
      checked: this.checked,
      failed: this.failed,
      successRate,
      p95: this.#times.summary().p95,
      servedVersions: this.#versions,
      rounds,
      duration,
      stoppedEarly,
      failures: this.#failures,
      perCheck: this.#perCheck,
    };
  }

  #decide(successRate: number, maxFailures: number, duration: number): { verdict: Verdict; message: string } {
    const { minSuccessRate } = this.#options;
    if (this.checked === 0) return { verdict: 'inconclusive', message: 'Nothing was checked.' };
    const first = this.#failures[0];
    const example = first ? ` First: ${first.check}: ${first.reasons.join('; ')}.` : '';
    // Tolerance is for the odd failure, not for a target that never once did what it should.
    if (this.failed > maxFailures || this.failed === this.checked)
      return { verdict: 'fail', message: `${this.failed} of ${this.checked} checks failed.${example}` };
    if (minSuccessRate !== undefined && successRate < minSuccessRate)
      return {
        verdict: 'fail',
        message: `Only ${percent(successRate)} of the checks passed, not ${percent(minSuccessRate)}.${example}`,
      };
    const strangers = this.#tooManyOthers();
    if (strangers) return { verdict: 'fail', message: strangers };
    return {
      verdict: 'pass',
      message: `${this.checked - this.failed} of ${this.checked} checks passed within ${formatDuration(duration)}.`,
    };
  }

  /** Empty when no more answers came from other versions than the allowed share and chance explain. */
  #tooManyOthers(): string {
    const { expectVersion, otherVersions: share } = this.#options;
    if (expectVersion === undefined || !share) return '';
    const total = Object.values(this.#versions).reduce((sum, count) => sum + count, 0);
    const others = total - (this.#versions[expectVersion] ?? 0);
    if (others <= total * share + 3 * Math.sqrt(total * share * (1 - share))) return '';
    return `${others} of ${total} answers came from other versions than ${expectVersion}; ${percent(share)} is allowed.`;
  }
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
