import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { RolledBack } from '@cd-actions/shared/delivery/rollback';

export const outputs: Outputs<RolledBack> = {
  'live-version': ({ moved }) => moved.liveVersion,
  'from-version': ({ fromVersion }) => fromVersion,
  restarted: ({ restarted }) => restarted,
  generation: ({ moved }) => moved.generation,
  'duration-ms': ({ moved }) => Math.round(moved.milliseconds),
};
