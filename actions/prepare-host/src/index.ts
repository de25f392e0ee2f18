import { runAction } from '@cd-actions/shared/action/run';
import { inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'prepare-host',
  inputs,
  outputs,
  summary,
  run: async (values, toolkit) => {
    const [{ main }, { withHosts }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/hosts'),
    ]);
    return withHosts(values, toolkit, (parts) => main(values, { ...parts, log: toolkit.log }));
  },
});
