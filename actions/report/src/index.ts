import { runAction } from '@cd-actions/shared/action/run';
import { check, inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'report',
  inputs,
  check,
  outputs,
  summary,
  run: async (values, toolkit) => {
    const [{ main }, { connectGitHub }] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/compose/github'),
    ]);
    const { github, pullRequest } = await connectGitHub(values['github-token']);
    return main(values, { github, pullRequest, run: toolkit.run, warn: toolkit.log.warning });
  },
});
