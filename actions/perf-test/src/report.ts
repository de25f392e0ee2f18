import type { LoadResult } from '@cd-actions/shared/gates/load/result';
import type { Judgement } from '@cd-actions/shared/gates/load/thresholds';
import { figures, type Point, points } from './series.ts';

const WIDTH = 800;
const HEIGHT = 240;
const LEFT = 60;
const BOTTOM = 24;

/** A page of its own: no script, nothing loaded from elsewhere. */
export function htmlReport(result: LoadResult, judgement: Judgement): string {
  const thresholds = judgement.thresholds.map(({ threshold, shown, verdict, note }) => [
    threshold.text,
    note === '' ? shown : `${shown} (${note})`,
    { pass: 'met', fail: 'not met', inconclusive: 'cannot be judged' }[verdict],
  ]);
  const examples = Object.entries(result.examples).map(([kind, words]) => [kind, words]);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Load test: ${judgement.verdict}</title>
<style>${STYLE}</style>
<h1 class="${judgement.verdict}">${judgement.verdict}: ${escapeHtml(judgement.message)}</h1>
<p>${escapeHtml(result.url)}, ${escapeHtml(result.startedAt)}, engine ${escapeHtml(result.engine)}</p>
<h2>Thresholds</h2>
${htmlTable(['Threshold', 'Measured', ''], thresholds)}
<h2>Latency over time</h2>
${svg(points(result, 200))}
<h2>Figures</h2>
${htmlTable(['Figure', 'Value'], figures(result))}
${examples.length === 0 ? '' : `<h2>First error of each class</h2>\n${htmlTable(['Class', 'Words'], examples)}`}
<p>Latency counts from the time a request was due, so a stall is charged to every request it held up. Redirects are not followed; timeouts count
with the time waited.</p>
</html>
`;
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; background: #fff }
table { border-collapse: collapse } td, th { border: 1px solid #d1d9e0; padding: .3rem .7rem; text-align: left }
.pass { color: #1a7f37 } .fail { color: #cf222e } .inconclusive { color: #9a6700 } svg { max-width: 100%; height: auto }
`;

function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${row('th', head)}${rows.map((cells) => row('td', cells)).join('')}</table>`;
}

/** Lines of p99 and p50, and a red mark for each point in which requests failed. */
function svg(shown: readonly Point[]): string {
  if (shown.length < 2) return '<p>Too short to draw.</p>';
  const top = Math.max(...shown.map((each) => each.p99), 0.001);
  const end = shown.at(-1)?.second || 1;
  const x = (each: Point): number => LEFT + (each.second / end) * (WIDTH - LEFT - 10);
  const y = (value: number): number => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - 10);
  const line = (value: (each: Point) => number, color: string): string =>
    `<polyline fill="none" stroke="${color}" stroke-width="2" points="${shown.map((each) => `${x(each).toFixed(1)},${y(value(each)).toFixed(1)}`).join(' ')}"/>`;
  const errors = shown.filter((each) => each.errors > 0).map((each) => mark(x(each)));
  const label = (px: number, py: number, words: string): string =>
    `<text x="${px}" y="${py}" font-size="12">${words}</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="p99 and p50 latency over time">
<path d="M${LEFT} 10V${HEIGHT - BOTTOM}H${WIDTH - 10}" fill="none" stroke="#59636e"/>
${label(4, 20, `${top.toFixed(1)} ms`)}${label(30, HEIGHT - BOTTOM, '0')}${label(WIDTH - 60, HEIGHT - 6, `${end + 1} s`)}
${errors.join('')}${line((each) => each.p99, '#bc4c00')}${line((each) => each.p50, '#0969da')}
</svg>
<p><span style="color:#bc4c00">p99</span>, <span style="color:#0969da">p50</span>, <span style="color:#cf222e">seconds with errors</span></p>`;
}

function mark(x: number): string {
  return `<path d="M${x.toFixed(1)} 10V${HEIGHT - BOTTOM}" stroke="#cf222e" opacity=".3"/>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
