import type { Context } from '@cd-actions/shared/delivery/ports';
import { type RolledBack, rollback } from '@cd-actions/shared/delivery/rollback';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
}

/** Returns to the last verified version, or to the one named, by the same switch as any other. */
export function main(inputs: Inputs, { context }: Dependencies): Promise<RolledBack> {
  return rollback(context, {
    toVersion: inputs['to-version'],
    reason: inputs.reason,
    drainTimeout: inputs['drain-timeout'],
    force: inputs.force,
  });
}
