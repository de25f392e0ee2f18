import { runAction } from '@cd-actions/shared/action/run';
import { check, inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'register-container',
  inputs,
  check,
  outputs,
  summary,
  post: async (...args) => (await import('@cd-actions/shared/compose/context')).freeLease(...args),
  run: async (values, toolkit) => {
    const [{ main }, { withContext }, { readFile }, { join }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/context'),
      import('node:fs/promises'),
      import('node:path'),
    ]);
    return withContext(values, toolkit, (context) =>
      main(values, { context, readFile: (path) => readFile(join(toolkit.workspace, path), 'utf8') }),
    );
  },
});
