import { table, verdictLine } from '@cd-actions/shared/report/summary';
import type { Verified } from './main.ts';

export function summary(result: Verified): string {
  const checks = table(
    ['Check', 'Made', 'Failed'],
    result.perCheck.map(({ check, checked, failed }) => [check, `${checked}`, `${failed}`]),
  );
  const served = table(
    ['Version', 'Answers'],
    Object.entries(result.servedVersions).map(([version, count]) => [version || '(none told)', `${count}`]),
  );
  return `${verdictLine(result.verdict, result.message)}\n\n${checks}\n\n${served}\n`;
}
