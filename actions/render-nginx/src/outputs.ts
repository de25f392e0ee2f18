import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { RenderedConfig } from './main.ts';

export const outputs: Outputs<RenderedConfig> = {
  'config-file': ({ configFile }) => configFile,
  generation: ({ generation }) => generation,
  changed: ({ changed }) => changed,
  diff: ({ diff }) => diff,
  valid: ({ valid }) => valid,
};
