import type { RolledBack } from '@cd-actions/shared/delivery/rollback';
import { table } from '@cd-actions/shared/report/summary';

export function summary({ moved, fromVersion, restarted }: RolledBack): string {
  const facts = table(
    ['From', 'To', 'Generation', 'Moved by', 'Confirmed in', 'Instances started again', 'Connections cut'],
    [
      [
        fromVersion,
        moved.liveVersion,
        `${moved.generation}`,
        moved.how,
        `${Math.round(moved.milliseconds)} ms`,
        `${restarted}`,
        `${moved.cut}`,
      ],
    ],
  );
  return `### Rolled back to ${moved.liveVersion}\n\n${facts}\n`;
}
