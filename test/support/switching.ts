import { readInputs } from '@cd-actions/shared/action/inputs';
import type { Moved } from '@cd-actions/shared/delivery/move';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { check, inputs } from '../../actions/switch-traffic/src/inputs.ts';
import { main } from '../../actions/switch-traffic/src/main.ts';

export interface Switching {
  readonly moved: Moved;
  /** What `output` named was written with. */
  readonly written: string;
}

/** switch-traffic with these inputs, as its composition root would run it. `files` is the checkout. */
export async function switchWith(
  context: Context,
  given: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): Promise<Switching> {
  const [app = '', environment = ''] = context.id.split('@');
  const all: Record<string, string> = { app, environment, 'drain-timeout': '3s', 'step-interval': '0s', ...given };
  const values = readInputs(inputs, (name) => all[name] ?? '', check);
  let written = '';
  const moved = await main(values, {
    context,
    read: async (_, path) => files[path] ?? '',
    save: async (_, contents) => {
      written = contents;
    },
  });
  return { moved, written };
}
