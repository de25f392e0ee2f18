import { runAction } from '@cd-actions/shared/action/run';
import { check, inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'render-nginx',
  inputs,
  check,
  outputs,
  summary,
  verdict: ({ valid, refusal }) => ({ verdict: valid ? 'pass' : 'fail', message: refusal }),
  run: async (values, toolkit) => {
    const [{ main }, { withContext }, { jobFiles }, { workspaceText, saveText }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/context'),
      import('@cd-actions/shared/action/files'),
      import('@cd-actions/shared/action/workspace-text'),
    ]);
    const { output } = values;
    const saveForJob = await jobFiles(toolkit.temp, 'render-nginx');
    const save = (contents: string): Promise<string> =>
      output === '' ? saveForJob('nginx.conf', contents) : saveText(toolkit.workspace, 'output', output, contents);
    const read = (input: string, path: string): Promise<string> => workspaceText(toolkit.workspace, input, path);
    return withContext(values, toolkit, (context) => main(values, { context, save, read }));
  },
});
