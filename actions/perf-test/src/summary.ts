import { table, verdictLine } from '@cd-actions/shared/report/summary';
import type { PerfResult } from './main.ts';
import { figures, points } from './series.ts';

export function summary({ judgement, result }: PerfResult): string {
  const thresholds = table(
    ['Threshold', 'Measured', 'Met'],
    judgement.thresholds.map(({ threshold, shown, verdict, note }) => [
      threshold.text,
      note === '' ? shown : `${shown} (${note})`,
      { pass: 'yes', fail: 'no', inconclusive: 'cannot be judged' }[verdict],
    ]),
  );
  const facts = table(
    ['Figure', 'Value'],
    figures(result).map(([name, value]) => [name, value]),
  );
  const parts = [verdictLine(judgement.verdict, judgement.message), thresholds, chart(result), facts];
  return `${parts
    .map(String)
    .filter((part) => part !== '')
    .join('\n\n')}\n`;
}

/** Latency over time as a mermaid chart, which GitHub draws (https://mermaid.js.org/syntax/xyChart.html). */
function chart(result: PerfResult['result']): string {
  const shown = points(result, 40);
  if (shown.length < 2) return '';
  const line = (values: readonly number[]): string => `  line [${values.map((each) => each.toFixed(2)).join(', ')}]`;
  return [
    '```mermaid',
    'xychart-beta',
    '  title "Latency over time: p99 above, p50 below"',
    `  x-axis "second" [${shown.map((each) => each.second).join(', ')}]`,
    '  y-axis "ms"',
    line(shown.map((each) => each.p99)),
    line(shown.map((each) => each.p50)),
    '```',
  ].join('\n');
}
