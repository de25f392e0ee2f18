import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Reported } from './main.ts';

export const outputs: Outputs<Reported> = {
  'deployment-id': ({ deployment }) => (deployment === 0 ? '' : deployment),
  'comment-url': ({ commentUrl }) => commentUrl,
  'issue-url': ({ issueUrl }) => issueUrl,
  notes: ({ notes }) => notes,
};
