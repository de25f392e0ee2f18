import type { Moved } from '@cd-actions/shared/delivery/move';
import { table } from '@cd-actions/shared/report/summary';

export function summary(moved: Moved): string {
  const heading = moved.changed
    ? `### ${moved.liveVersion} has the traffic`
    : `### Traffic unchanged: ${moved.liveVersion}`;
  const targets = table(
    ['Version', 'Weight'],
    moved.plan.targets.map((target) => [target.version, `${target.weight} %`]),
  );
  const facts = table(
    ['Generation', 'Moved by', 'Confirmed in', 'Before', 'Connections cut'],
    [
      [
        `${moved.generation}`,
        moved.how,
        `${Math.round(moved.milliseconds)} ms`,
        moved.previousVersion || 'nothing',
        `${moved.cut}`,
      ],
    ],
  );
  return `${heading}\n\n${targets}\n\n${facts}\n`;
}
