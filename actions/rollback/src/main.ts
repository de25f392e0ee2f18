import type { Context } from '@cd-actions/shared/delivery/ports';
import { type RolledBack, rollback } from '@cd-actions/shared/delivery/rollback';
import type { Release } from '@cd-actions/shared/domain/release';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
}

export interface Returned extends RolledBack {
  /** What there is to return to from here on. */
  readonly choices: readonly Release[];
}

/** Returns to the last verified version, or to the one named, by the same switch as any other, and looks what else could be had. */
export async function main(inputs: Inputs, { context }: Dependencies): Promise<Returned> {
  const done = await rollback(context, {
    toVersion: inputs['to-version'],
    reason: inputs.reason,
    drainTimeout: inputs['drain-timeout'],
    force: inputs.force,
  });
  const { releases } = await context.registry.read(context.id);
  return { ...done, choices: releases.filter(({ version }) => version !== done.moved.liveVersion) };
}
