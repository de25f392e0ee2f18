import { requireEvidenceOfPlan } from '@cd-actions/shared/delivery/evidence';
import type { Moved } from '@cd-actions/shared/delivery/move';
import { plannedTraffic, type TrafficFiles } from '@cd-actions/shared/delivery/plan';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { removeApp } from '@cd-actions/shared/delivery/remove';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
  /** The text of a file of the checkout that an input names. */
  readonly read: (input: string, path: string) => Promise<string>;
  /** Writes a file of the checkout. */
  readonly save: (path: string, contents: string) => Promise<unknown>;
}

/** Moves traffic to the wished weights, step by step, and retires what is left without any. */
export async function main(inputs: Inputs, { context, read, save }: Dependencies): Promise<Moved> {
  if (inputs.remove) return removeApp(context, { reason: inputs.reason, drainTimeout: inputs['drain-timeout'] });
  const files = await filesOf(inputs, read);
  const demand = { gates: inputs['require-evidence'], maxAge: inputs['evidence-max-age'] };
  await requireEvidenceOfPlan(context, (deployment) => plannedTraffic(inputs, deployment, files), demand);
  const moved = await switchTraffic(context, {
    version: inputs.version || (inputs.traffic[0]?.version ?? ''),
    wanted: (deployment) => plannedTraffic(inputs, deployment, files),
    steps: inputs.steps,
    stepInterval: inputs['step-interval'],
    drainTimeout: inputs['drain-timeout'],
    keepPrevious: inputs['keep-previous'],
    activation: inputs.activation,
    reason: inputs.reason,
  });
  if (inputs.output !== '') await save(inputs.output, moved.rendered);
  return moved;
}

async function filesOf(inputs: Inputs, read: Dependencies['read']): Promise<TrafficFiles> {
  const text = async (input: 'template' | 'maintenance-page'): Promise<string | null> =>
    inputs[input] === '' ? null : read(input, inputs[input]);
  return { template: await text('template'), maintenancePage: await text('maintenance-page') };
}
