import { codeBlock } from '@cd-actions/shared/report/markdown';
import type { RenderedConfig } from './main.ts';

export function summary({ valid, refusal, changed, diff, generation }: RenderedConfig): string {
  if (!valid) return `### Nginx refuses the configuration\n\n${codeBlock(refusal)}\n`;
  if (!changed) return `### Nothing would change (generation ${generation})\n`;
  return `### A switch would bring generation ${generation}\n\n${codeBlock(diff, 'diff')}\n`;
}
