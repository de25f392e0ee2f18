import type { LoadResult } from '@cd-actions/shared/gates/load/result';

/** One point of a chart: the worst of the seconds that it stands for. */
export interface Point {
  readonly second: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

/** The time series in at most `most` points, for a chart that is still readable. */
export function points(result: LoadResult, most: number): readonly Point[] {
  const width = Math.max(1, Math.ceil(result.series.length / most));
  const found: Point[] = [];
  for (let at = 0; at < result.series.length; at += width) {
    const seconds = result.series.slice(at, at + width);
    found.push({
      second: seconds[0]?.second ?? 0,
      p50: Math.max(...seconds.map((each) => each.p50)),
      p99: Math.max(...seconds.map((each) => each.p99)),
      errors: seconds.reduce((sum, each) => sum + each.errors, 0),
    });
  }
  return found;
}

/** Rows of figures that summary and report both show. */
export function figures(result: LoadResult): readonly (readonly [name: string, value: string])[] {
  const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
  const { latency, service, connect, generator } = result;
  return [
    ['Requests', `${result.requests}, ${result.failed} failed (${Number((result.errorRate * 100).toFixed(3))} %)`],
    ['Throughput', `${result.rps.toFixed(1)}/s of ${result.intendedRate ?? '-'}/s for ${result.seconds.toFixed(1)} s`],
    ['Latency p50 / p95 / p99', `${ms(latency.p50)} / ${ms(latency.p95)} / ${ms(latency.p99)}`],
    ['Latency mean / max', `${ms(latency.mean)} / ${ms(latency.max)}`],
    ['From the sending p50 / p99', `${ms(service.p50)} / ${ms(service.p99)}`],
    ['Longest gap', ms(result.longestGap)],
    ['Connections opened', `${result.connections.opened} (p99 ${ms(connect.p99)} to connect)`],
    ['Versions', list(result.versions)],
    ['Statuses', list(result.statuses)],
    ['Errors', list(result.errors)],
    ['Generator', generatorLine(generator)],
  ];
}

function generatorLine(generator: LoadResult['generator']): string {
  if (!generator) return '-';
  const late = `p99 ${generator.lagP99.toFixed(2)} ms late`;
  const busy = generator.delayed > 0 ? `; ${generator.delayed} requests waited for a free connection` : '';
  return generator.bottleneck ? `${late}${busy}; it was the bottleneck: ${generator.note}` : `${late}${busy}`;
}

function list(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts);
  return entries.length === 0
    ? 'none'
    : entries.map(([name, count]) => `${name || '(none told)'}: ${count}`).join(', ');
}
