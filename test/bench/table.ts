/** Markdown tables of figures, each with its unit. */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

/** The value below which `percent` of the values lie (nearest rank); NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 50);

/** `12 ms`, with a digit behind the point below 10. */
export function ms(value: number): string {
  if (Number.isNaN(value)) return '-';
  return `${value < 10 ? value.toFixed(1) : String(Math.round(value))} ms`;
}

/** `p50 / p99 / max` in milliseconds. */
export function spread(values: readonly number[]): string {
  return `${ms(median(values))} / ${ms(percentile(values, 99))} / ${ms(Math.max(...values))}`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
