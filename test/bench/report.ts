/** The tables of the bench, from its results. */
import type { Compared } from './comparison.ts';
import type { Cost } from './cost.ts';
import type { Move } from './load.ts';
import { count, median, ms, percentile, spread, table } from './table.ts';
import type { Throughput } from './throughput.ts';
import type { WarmRollback } from './warm-rollback.ts';
import type { SwitchReport } from './workload.ts';

export interface Results {
  readonly machine: string;
  readonly at: string;
  readonly nginx: { readonly container: string; readonly host: string };
  readonly load: string;
  readonly switches?: SwitchReport;
  readonly comparison?: readonly Compared[];
  readonly throughput?: readonly Throughput[];
  readonly cost?: readonly Cost[];
  readonly rollback?: WarmRollback;
  readonly leftOut: readonly string[];
}

export function report(results: Results): string {
  const parts = [
    `Measured ${results.at} on ${results.machine}; Nginx ${results.nginx.container} in the container, ${results.nginx.host} on the host.`,
    results.switches && switchesPart(results.switches, results.load),
    results.comparison && comparisonPart(results.comparison, results.load),
    results.throughput && throughputPart(results.throughput),
    results.cost && costPart(results.cost),
    results.rollback && rollbackPart(results.rollback),
    ...results.leftOut.map((line) => `Left out: ${line}`),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function switchesPart(report: SwitchReport, load: string): string {
  const { seen, switches, streams, workers, how } = report;
  const total = Object.values(switches).reduce((sum, each) => sum + each, 0);
  const kinds = Object.entries(switches).map(([kind, each]) => `${each} ${kind}${each === 1 ? '' : 's'}`);
  const rows = [
    [
      'switches acknowledged',
      `${total} (${kinds.join(', ')}), ${Object.entries(how)
        .map(([name, each]) => `${each} ${name}`)
        .join(', ')}`,
    ],
    ['requests', count(seen.requests)],
    ['lost (resets, refused, broken off, timed out)', count(seen.dropped)],
    ['answers that were not 2xx', count(seen.non2xx)],
    ['longest time without a good answer', ms(seen.longestGap)],
    ['the same, asking the application itself meanwhile', ms(seen.controlGap)],
    [
      'answers of the version at weight 0, to requests sent after the acknowledgement',
      `${count(seen.wrongVersion)} of ${count(seen.checked)}`,
    ],
    ['20 s downloads that came whole', `${streams.downloadsWhole} of ${streams.downloads}`],
    ['event streams that ended before their drain deadline', `${streams.eventsCutEarly} of ${streams.events}`],
    [
      'event streams closed at the drain deadline / counted by the switch',
      `${streams.eventsClosedAtDeadline} / ${streams.reportedCut}`,
    ],
    ['activation of a generation until confirmed: p50 / p99 / max', spread(report.activation)],
    [
      'Nginx workers before / after / most',
      `${workers.before.serving} / ${workers.after.serving + workers.after.leaving} / ${workers.most}`,
    ],
  ];
  return `### ${total} switches under load\n\n${load}; ${count(report.seconds)} s.\n\n${table(['What', 'Figure'], rows)}`;
}

function comparisonPart(compared: readonly Compared[], load: string): string {
  const rows = compared.map(({ name, flips, seen, before, mostWorkers }) => [
    name,
    String(flips),
    count(seen.requests),
    `${count(seen.dropped)} (${(seen.dropped / flips).toFixed(1)})`,
    count(seen.non2xx),
    `${ms(seen.longestGap)} (${ms(seen.controlGap)})`,
    `${count(seen.wrongVersion)}${seen.wrongVersion > 0 ? `, up to ${ms(seen.lastWrong)} later` : ''}`,
    ms(median(seen.moves.map(overlap))),
    `${ms(median(seen.moves.map((move) => move.acknowledged)))} / ${ms(
      percentile(
        seen.moves.map((move) => move.acknowledged),
        99,
      ),
    )}`,
    before ? `${before.serving} / ${mostWorkers}` : '-',
  ]);
  const head = [
    'Flips by',
    'flips',
    'requests',
    'lost (a flip)',
    'not 2xx',
    'longest gap (application itself)',
    'old version after the acknowledgement',
    'both versions answer for (p50)',
    'command to acknowledgement p50 / p99',
    'workers before / most',
  ];
  return `### The same flips by others, in turns\n\n${load}.\n\n${table(head, rows)}`;
}

/** How long requests were answered by both versions. */
function overlap({ firstNew, lastOld }: Move): number {
  return Math.max(0, lastOld - firstNew);
}

function throughputPart(results: readonly Throughput[]): string {
  const base = results.find((each) => each.name.includes('split_clients'));
  const rows = results.map(({ name, rates, processor, errors }) => [
    name,
    `${count(median(rates))} (${count(Math.min(...rates))} to ${count(Math.max(...rates))})`,
    against(rates, base?.rates ?? []),
    `${median(processor).toFixed(0)} µs`,
    against(processor, base?.processor ?? []),
    String(errors),
  ]);
  const head = [
    'Through',
    'requests a second: median (range)',
    'against plain Nginx with a canary',
    'processor time a request',
    'against plain Nginx with a canary',
    'errors',
  ];
  return `### Throughput\n\n\`wrk -t2 -c64\` from the host to a container, two servers that answer 200 bytes from memory behind it, ${results[0]?.rates.length} rounds in turns. Ratios are within a round: the median, and the quarters between which half of them lie.\n\n${table(head, rows)}`;
}

/** Median of the ratios within each round, and the quarters between which half of them lie. */
function against(values: readonly number[], base: readonly number[]): string {
  const ratios = values.map((value, round) => value / (base[round] ?? Number.NaN));
  const [low, middle, high] = [25, 50, 75].map((percent) => percentile(ratios, percent).toFixed(2));
  return `${middle} (${low} to ${high})`;
}

function costPart(costs: readonly Cost[]): string {
  const base = median(costs[0]?.switches ?? []);
  const rows = costs.map(({ apps, switches, reloads, commands }) => [
    count(apps),
    spread(switches),
    (median(switches) / base).toFixed(2),
    commands.toFixed(1),
    ms(median(reloads)),
  ]);
  const head = [
    'registered apps',
    'switch without a reload: p50 / p99 / max',
    'against one app',
    'Redis round trips a switch',
    'switch with a reload: p50',
  ];
  return `### Cost among many apps\n\nThe whole story (lease, journal, activation, commit), taking turns; no load.\n\n${table(head, rows)}`;
}

function rollbackPart({ confirmed, served, ended, failedRequests }: WarmRollback): string {
  const rows = [
    ['confirmed: every Nginx answers with the new generation', spread(confirmed)],
    ['the first request answered by the other version', spread(served)],
    ['end of the process, the old version drained', spread(ended)],
    ['requests that failed meanwhile', count(failedRequests)],
  ];
  return `### Rollback to a warm version\n\n\`dist/rollback/index.js\`, ${confirmed.length} times, from the start of the process.\n\n${table(['Until', 'p50 / p99 / max'], rows)}`;
}
