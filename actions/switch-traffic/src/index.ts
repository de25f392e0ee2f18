import { runAction } from '@cd-actions/shared/action/run';
import { check, inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'switch-traffic',
  inputs,
  check,
  outputs,
  summary,
  post: async (...args) => (await import('@cd-actions/shared/compose/context')).freeLease(...args),
  run: async (values, toolkit) => {
    const [{ main }, { withContext }, { workspaceText, saveText }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/context'),
      import('@cd-actions/shared/action/workspace-text'),
    ]);
    const read = (input: string, path: string): Promise<string> => workspaceText(toolkit.workspace, input, path);
    const save = (path: string, contents: string): Promise<string> =>
      saveText(toolkit.workspace, 'output', path, contents);
    return withContext(values, toolkit, (context) => main(values, { context, read, save }));
  },
});
