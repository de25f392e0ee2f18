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
    const [{ main }, { withContext }, { jobFiles }, files, path] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/context'),
      import('@cd-actions/shared/action/files'),
      import('node:fs/promises'),
      import('node:path'),
    ]);
    const saveForJob = await jobFiles(toolkit.temp, 'render-nginx');
    const save = async (contents: string): Promise<string> => {
      if (values.output === '') return saveForJob('nginx.conf', contents);
      const file = path.join(toolkit.workspace, values.output);
      await files.mkdir(path.dirname(file), { recursive: true });
      await files.writeFile(file, contents);
      return file;
    };
    return withContext(values, toolkit, (context) => main(values, { context, save }));
  },
});
