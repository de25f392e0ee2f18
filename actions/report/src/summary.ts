import { verdictLine } from '@cd-actions/shared/report/summary';
import type { Inputs } from './inputs.ts';
import type { Reported } from './main.ts';

export function summary({ commentUrl, issueUrl, notes }: Reported, inputs: Inputs): string {
  if (inputs.verdict === '') return '';
  const live = inputs['live-version'] ? `, live now: ${inputs['live-version']}` : '';
  const what = `${inputs.app} ${inputs.version} in ${inputs.environment}${live}`;
  const links = [commentUrl, issueUrl].filter(Boolean).join('\n\n');
  return [`${verdictLine(inputs.verdict, what)}`, notes, links].filter(Boolean).join('\n\n');
}
