import { table } from '@cd-actions/shared/report/summary';
import type { Prepared } from './main.ts';

export function summary({ nginxVersion, redisUrl, ready, warnings }: Prepared): string {
  const heading = ready ? '### The host is ready' : '### The host is not ready';
  const facts = table(['Nginx', 'Registry'], [[nginxVersion, withoutPassword(redisUrl)]]);
  return [heading, facts, ...warnings.map((warning) => `- ${warning}`)].join('\n\n');
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@');
}
