import { runAction } from '@cd-actions/shared/action/run';
import { check, inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'verify',
  inputs,
  check,
  outputs,
  summary,
  verdict: ({ verdict, message }) => ({ verdict, message }),
  post: async (...args) => (await import('@cd-actions/shared/compose/context')).freeLease(...args),
  run: async (values, toolkit) => {
    const [{ main }, { withContext }, { shellIn }, { jobFiles }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/context'),
      import('@cd-actions/shared/action/shell'),
      import('@cd-actions/shared/action/files'),
    ]);
    const shell = shellIn(toolkit.workspace);
    const save = await jobFiles(toolkit.temp, 'verify');
    return withContext(values, toolkit, (context) => main(values, { context, shell, save }));
  },
});
