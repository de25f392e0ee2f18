import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Prepared } from './main.ts';

export const outputs: Outputs<Prepared> = {
  'nginx-version': (prepared) => prepared.nginxVersion,
  'redis-url': (prepared) => prepared.redisUrl,
  ready: (prepared) => prepared.ready,
  warnings: (prepared) => prepared.warnings.join('\n'),
};
