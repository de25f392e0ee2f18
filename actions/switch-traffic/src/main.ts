import type { Moved } from '@cd-actions/shared/delivery/move';
import { plannedTraffic } from '@cd-actions/shared/delivery/plan';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
}

/** Moves traffic to the wished weights, step by step, and retires what is left without any. */
export function main(inputs: Inputs, { context }: Dependencies): Promise<Moved> {
  return switchTraffic(context, {
    version: inputs.version,
    wanted: (deployment) => plannedTraffic(inputs, deployment),
    steps: inputs.steps,
    stepInterval: inputs['step-interval'],
    drainTimeout: inputs['drain-timeout'],
    keepPrevious: inputs['keep-previous'],
    activation: inputs.activation,
    reason: inputs.reason,
  });
}
