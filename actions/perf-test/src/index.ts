import { runAction } from '@cd-actions/shared/action/run';
import { check, inputs } from './inputs.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

const PROGRESS_EVERY_MS = 10_000;

void runAction({
  name: 'perf-test',
  inputs,
  check,
  outputs,
  summary,
  verdict: ({ judgement }) => judgement,
  run: async (values, toolkit) => {
    const [{ main }, { runLoad }, { jobFiles }, { workspaceFile }, dns] = await Promise.all([
      import('./main.ts'),
      import('@cd-actions/shared/gates/load/prober'),
      import('@cd-actions/shared/action/files'),
      import('./workspace-file.ts'),
      import('node:dns/promises'),
    ]);
    return main(values, {
      log: toolkit.log,
      signal: toolkit.signal,
      resolve: (host) => dns.lookup(host, { all: true }),
      save: await jobFiles(toolkit.temp, 'perf-test'),
      workspaceFile: (name) => workspaceFile(toolkit.workspace, name),
      async load(options) {
        const run = runLoad(options);
        const timer = setInterval(() => {
          const { requests, failed } = run.progress();
          toolkit.log.info(`${requests} requests measured, ${failed} failed`);
        }, PROGRESS_EVERY_MS);
        return run.result.finally(() => clearInterval(timer));
      },
    });
  },
});
