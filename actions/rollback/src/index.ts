import { runAction } from '@cd-actions/shared/action/run';
import { inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'rollback',
  inputs,
  outputs,
  summary,
  post: async (...args) => (await import('@cd-actions/shared/compose/context')).freeLease(...args),
  run: async (values, toolkit) => {
    const [{ main }, { withContext }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/context'),
    ]);
    return withContext(values, toolkit, (context) => main(values, { context }));
  },
});
