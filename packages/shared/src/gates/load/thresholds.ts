import { type Grammar, Refused } from '../../domain/grammar.ts';
import { type Verdict, worst } from '../../domain/verdict.ts';
import type { Failure } from '../probe/failure.ts';
import type { LoadResult } from './result.ts';

/** `share`: percent in the text, 0 to 1 in `limit`. `time`: milliseconds. `rate`: a second. `count`: plain. */
type Kind = 'time' | 'share' | 'rate' | 'count';

const PERCENTILES = { p50: 50, p75: 75, p90: 90, p95: 95, p99: 99, 'p99.9': 99.9 } as const;
type Percentile = keyof typeof PERCENTILES;

const METRICS = {
  ...({ p50: 'time', p75: 'time', p90: 'time', p95: 'time', p99: 'time', 'p99.9': 'time' } as const),
  ...({ max: 'time', mean: 'time', 'longest-gap': 'time' } as const),
  ...({ 'error-rate': 'share', 'success-rate': 'share', rps: 'rate', requests: 'count' } as const),
} satisfies Record<string, Kind>;
export type Metric = keyof typeof METRICS;

/** Metrics that are good when high; the others are good when low. */
const HIGH_IS_GOOD: ReadonlySet<Metric> = new Set(['rps', 'requests', 'success-rate']);

export interface Threshold {
  readonly metric: Metric;
  readonly operator: '<' | '<=' | '>' | '>=';
  /** Milliseconds, a share from 0 to 1, requests a second, or a number of requests. */
  readonly limit: number;
  /** As the user wrote it, without spaces. */
  readonly text: string;
}

const TIME_UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };
const ALLOWED_METRICS = Object.keys(METRICS).join(', ');

/** One threshold, such as `p95<200ms`, `error-rate<1%`, `rps>=100`. */
export const threshold: Grammar<Threshold> = {
  allowed: `a threshold such as \`p95<200ms\`, \`error-rate<1%\`, \`rps>=100\`, \`longest-gap<500ms\`; metrics: ${ALLOWED_METRICS}`,
  parse(raw) {
    const match = /^([a-zA-Z][\w.-]*)\s*(<=|>=|==|=|<|>)\s*(\d{1,12}(?:\.\d{1,6})?)\s*([a-zA-Z%/]*)$/.exec(raw);
    if (!match) throw new Refused('is not of the form `metric<value`');
    const [, name = '', operator = '', digits = '', unit = ''] = match;
    if (!Object.hasOwn(METRICS, name)) throw new Refused(`names no known metric (there are ${ALLOWED_METRICS})`);
    const metric = name as Metric;
    const fitting = HIGH_IS_GOOD.has(metric) ? '>' : '<';
    if (!operator.startsWith(fitting)) throw new Refused(`must use \`${fitting}\` or \`${fitting}=\` with ${metric}`);
    return {
      metric,
      operator: operator as Threshold['operator'],
      limit: limitOf(METRICS[metric], Number(digits), unit, metric),
      text: `${metric}${operator}${digits}${unit}`,
    };
  },
};

function limitOf(kind: Kind, value: number, unit: string, metric: Metric): number {
  if (kind === 'time') {
    const factor = TIME_UNITS[unit];
    if (factor === undefined) throw new Refused(`needs a unit of time (\`us\`, \`ms\`, \`s\`, \`m\`) for ${metric}`);
    return value * factor;
  }
  if (kind === 'share') {
    if (unit !== '%') throw new Refused(`needs \`%\` for ${metric}`);
    if (value > 100) throw new Refused('is more than 100 %');
    return Number((value / 100).toFixed(12));
  }
  if (unit !== '' && !(kind === 'rate' && unit === '/s')) throw new Refused(`takes no unit for ${metric}`);
  return value;
}

/** What is judged when the user gives no thresholds. */
export const DEFAULT_THRESHOLDS = 'error-rate<1%';

/** One threshold with what was measured. */
export interface Judged {
  readonly threshold: Threshold;
  readonly verdict: Verdict;
  /** In the unit of `limit`; null when nothing was measured. */
  readonly value: number | null;
  /** For people: `184 ms`, `0.31 %`. */
  readonly shown: string;
  /** Why it is inconclusive; else empty. */
  readonly note: string;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** One sentence. */
  readonly message: string;
  readonly thresholds: readonly Judged[];
}

/** So many samples have to lie beyond a percentile for it to mean anything: the usual rule n(1-p) >= 5 for a binomial count. */
const BEYOND = 5;

/** The least number of samples with which a percentile is judged: 100 for p95, 500 for p99. */
export function samplesNeeded(percent: number): number {
  return Math.ceil(Number((BEYOND / (1 - percent / 100)).toFixed(6)));
}

/**
 * Judges a result. Nothing sent: inconclusive. Nothing but errors: fail, whatever the thresholds. A latency that only the lateness of the generator
 * itself put over its limit is inconclusive, and so is a run that was asked for more than this machine could send.
 */
export function judge(result: LoadResult, thresholds: readonly Threshold[]): Judgement {
  const judged = thresholds.map((each) => judgeOne(result, each));
  if (result.requests === 0)
    return { verdict: 'inconclusive', message: 'No request was sent in the measurement.', thresholds: judged };
  if (result.succeeded === 0)
    return { verdict: 'fail', message: `All ${result.requests} requests failed${cause(result)}.`, thresholds: judged };
  const verdict = worst(judged.map((each) => each.verdict));
  if (verdict === 'pass') return { verdict, message: `All ${judged.length} thresholds are met.`, thresholds: judged };
  const named = judged
    .filter((each) => each.verdict === verdict)
    .map(({ threshold, shown, note }) => `${threshold.text} (${note === '' ? shown : `${shown}; ${note}`})`);
  const message = `${verdict === 'fail' ? 'Not met' : 'Cannot be judged'}: ${named.join(', ')}.`;
  return { verdict, message, thresholds: judged };
}

/** The most frequent error, with the words of its first occurrence. */
function cause({ errors, examples }: LoadResult): string {
  const most = Object.entries(errors).sort((a, b) => b[1] - a[1])[0]?.[0] as Failure | undefined;
  return most === undefined ? '' : `: ${most} (${examples[most] ?? ''})`;
}

function judgeOne(result: LoadResult, threshold: Threshold): Judged {
  const value = measured(result, threshold.metric);
  if (value === null) return inconclusive(threshold, null, 'nothing was measured');
  const percent = PERCENTILES[threshold.metric as Percentile];
  const needed = percent === undefined ? 1 : samplesNeeded(percent);
  const isLatency = Object.hasOwn(PERCENTILES, threshold.metric) || /^(max|mean)$/.test(threshold.metric);
  if (isLatency && result.latency.count < needed)
    return inconclusive(threshold, value, `${result.latency.count} samples are too few: ${needed} are needed`);
  if (holds(threshold, value))
    return { threshold, verdict: 'pass', value, shown: show(threshold.metric, value), note: '' };
  if (result.generator?.bottleneck && ownFault(result, threshold))
    return inconclusive(threshold, value, `the load generator was the bottleneck: ${result.generator.note}`);
  return { threshold, verdict: 'fail', value, shown: show(threshold.metric, value), note: '' };
}

/** The threshold would be met, or nobody can say whether, were it not for the generator's own lateness and failures. */
function ownFault(result: LoadResult, threshold: Threshold): boolean {
  const { metric } = threshold;
  if (metric === 'rps' || metric === 'requests' || metric === 'longest-gap') return true;
  const own = (result.errors.local ?? 0) / result.requests;
  if (metric === 'error-rate') return holds(threshold, result.errorRate - own);
  if (metric === 'success-rate') return holds(threshold, result.succeeded / result.requests + own);
  return holds(threshold, result.service[metric]);
}

function inconclusive(threshold: Threshold, value: number | null, note: string): Judged {
  const shown = value === null ? 'no data' : show(threshold.metric, value);
  return { threshold, verdict: 'inconclusive', value, shown, note };
}

function holds({ operator, limit }: Threshold, value: number): boolean {
  if (operator === '<') return value < limit;
  if (operator === '<=') return value <= limit;
  return operator === '>' ? value > limit : value >= limit;
}

function measured(result: LoadResult, metric: Metric): number | null {
  if (metric === 'requests') return result.requests;
  if (result.requests === 0) return null;
  if (metric === 'error-rate') return result.errorRate;
  if (metric === 'success-rate') return result.succeeded / result.requests;
  if (metric === 'rps') return result.rps;
  if (metric === 'longest-gap') return result.longestGap;
  return result.latency.count === 0 ? null : result.latency[metric];
}

/** A measured value with its unit. */
export function show(metric: Metric, value: number): string {
  const kind = METRICS[metric];
  if (kind === 'time') return `${value < 10 ? Number(value.toFixed(2)) : Number(value.toFixed(1))} ms`;
  if (kind === 'share') return `${Number((value * 100).toFixed(3))} %`;
  return kind === 'rate' ? `${Number(value.toFixed(2))}/s` : String(value);
}
