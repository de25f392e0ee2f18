import type { Verdict } from '../domain/verdict.ts';
import { type Content, inline, Markdown, markdown } from './markdown.ts';

const HEADLINES: Readonly<Record<Verdict, string>> = {
  pass: '✅ Passed',
  fail: '❌ Failed',
  inconclusive: '⚠️ Inconclusive',
};

/** The line with which every summary begins: what was decided and why. */
export function verdictLine(verdict: Verdict, message: Content): Markdown {
  return new Markdown(`### ${HEADLINES[verdict]}: ${markdown(message)}`);
}

/** A heading of a part of a summary. */
export function heading(title: Content): Markdown {
  return new Markdown(`#### ${markdown(title)}`);
}

/** More rows than this are only counted: GitHub cuts a summary at a megabyte. */
const MOST_ROWS = 500;

/**
 * A table. Strings are escaped; columns of numbers stand to the right. Nothing when there are no rows. A row that is shorter than the
 * headers is filled up.
 */
export function table(
  headers: readonly Content[],
  rows: readonly (readonly Content[])[],
  mostRows = MOST_ROWS,
): Markdown {
  if (rows.length === 0) return new Markdown('');
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const row = (cells: readonly Content[]): string => line(headers.map((_, column) => cell(cells[column] ?? '')));
  const numeric = headers.map((_, column) => rows.every((cells) => typeof cells[column] === 'number'));
  const shown = rows.slice(0, mostRows).map(row);
  const more = rows.length > mostRows ? `\n\n${inline(`And ${rows.length - mostRows} more.`)}` : '';
  const rule = line(numeric.map((right) => (right ? '---:' : '---')));
  return new Markdown([line(headers.map(cell)), rule, ...shown].join('\n') + more);
}

/** Markdown in a cell stays in its line. */
function cell(content: Content): string {
  return String(markdown(content)).replace(/\s*\n\s*/g, ' ');
}

/** A part that is folded until it is asked for. */
export function details(title: Content, body: Content): Markdown {
  return new Markdown(`<details><summary>${markdown(title)}</summary>\n\n${markdown(body)}\n\n</details>`);
}
