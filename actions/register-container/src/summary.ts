import type { Registered } from '@cd-actions/shared/delivery/register';
import { table } from '@cd-actions/shared/report/summary';

export function summary({ release, changed }: Registered): string {
  const heading = `### Registered ${release.version}${changed ? '' : ' (unchanged)'}`;
  const rows = release.instances.map(({ name, host, address, port }) => [name, host, `${address}:${port}`]);
  return `${heading}\n\n${table(['Instance', 'Host', 'Address'], rows)}\n`;
}
