import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Moved } from '@cd-actions/shared/delivery/move';
import { weightsOf } from '@cd-actions/shared/delivery/move';

export const outputs: Outputs<Moved> = {
  'live-version': (moved) => moved.liveVersion,
  'previous-version': (moved) => moved.previousVersion,
  weights: (moved) => weightsOf(moved.plan).replaceAll(' ', '\n'),
  generation: (moved) => moved.generation,
  'duration-ms': (moved) => Math.round(moved.milliseconds),
  drained: (moved) => moved.cut,
  changed: (moved) => moved.changed,
};
