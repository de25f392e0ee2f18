import { setTimeout as wait } from 'node:timers/promises';
import { runAction } from '@cd-actions/shared/action/run';
import type { Clock } from '@cd-actions/shared/delivery/ports';
import { check, inputs } from './inputs.ts';
import { main } from './main.ts';
import { outputs, summary } from './outputs.ts';

const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => wait(ms, undefined, signal ? { signal } : {}),
};

void runAction({
  name: 'build-image',
  inputs,
  check,
  outputs,
  summary,
  async run(values, { log, signal, workspace }) {
    const { buildPaths } = await import('./paths.ts');
    const { currentCommit } = await import('./commit.ts');
    let close = (): void => undefined;
    try {
      return await main(values, {
        commit: () => currentCommit(workspace, process.env),
        paths: (context, file) => buildPaths(workspace, context, file),
        async builder() {
          const { connect } = await import('@cd-actions/shared/engine/connect');
          const { imageBuilder } = await import('@cd-actions/shared/engine/build');
          const connection = await connect(null);
          close = connection.close;
          const [username, password] = [values['registry-username'], values['registry-password']];
          const login = username === '' ? null : { username, password };
          return imageBuilder({ connection, builder: values.builder, login });
        },
        clock,
        log,
        signal,
      });
    } finally {
      close();
    }
  },
});
