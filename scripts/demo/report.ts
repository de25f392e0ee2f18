import type { Served } from './load.ts';
import type { Stages } from './stages.ts';
import type { World } from './world.ts';

/** The one table at the end. */
export function printTable(stages: Stages, served: Served, world: World): void {
  const rows = stages.done.map(({ title, milliseconds, note }) => [
    title,
    `${(milliseconds / 1000).toFixed(1)} s`,
    note,
  ]);
  const versions = Object.entries(served.versions).sort(([a], [b]) => a.localeCompare(b));
  const totals = [
    [
      'Requests sent',
      String(served.requests),
      `longest gap ${Math.round(served.longestGap)} ms, p99 ${served.p99.toFixed(1)} ms`,
    ],
    [
      'Requests dropped',
      String(served.dropped),
      Object.entries(served.errors)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(', '),
    ],
    ...versions.map(([version, count]) => [
      `Answered by ${version || 'a version that does not tell'}`,
      String(count),
      '',
    ]),
  ];
  const widths = [0, 1].map((column) =>
    Math.max(...[...rows, ...totals].map((row) => [...(row[column] ?? '')].length)),
  );
  const line = (row: readonly string[]): string =>
    `  ${(row[0] ?? '').padEnd(widths[0] ?? 0)}  ${(row[1] ?? '').padStart(widths[1] ?? 0)}  ${row[2] ?? ''}`.trimEnd();
  const rule = `  ${'─'.repeat((widths[0] ?? 0) + (widths[1] ?? 0) + 2)}`;
  const look = world.settings.keep
    ? [
        `  The app answers at ${world.publicUrl}; its registry is ${world.redisUrl}; remove all with \`docker rm -f\` of the cd-demo containers.`,
      ]
    : ['  Everything the demo made is removed again; `npm run demo -- --keep` leaves it running.'];
  process.stdout.write(`\n${[...rows.map(line), rule, ...totals.map(line), '', ...look].join('\n')}\n`);
}
