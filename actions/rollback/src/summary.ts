import { table } from '@cd-actions/shared/report/summary';
import type { Returned } from './main.ts';

export function summary({ moved, fromVersion, restarted, choices }: Returned): string {
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
  const others = table(
    ['What else can be had', 'State', 'Verified', 'Image'],
    choices.map(({ version, state, verifiedAt, image }) => [version, state, verifiedAt || 'never', image]),
  );
  return `### Rolled back to ${moved.liveVersion}\n\n${facts}\n\n${choices.length > 0 ? others : 'No other version is retained.'}\n`;
}
