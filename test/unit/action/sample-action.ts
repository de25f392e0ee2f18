/** An action of a few lines, run as a process by run.test.ts the way GitHub's runner does it. */
import { maybe, optional, required, secret } from '@cd-actions/shared/action/inputs';
import { runAction } from '@cd-actions/shared/action/run';
import { DeliveryError, UserError } from '@cd-actions/shared/domain/errors';
import { duration, oneOf, text } from '@cd-actions/shared/domain/grammar';
import { appName } from '@cd-actions/shared/domain/names';

const inputs = {
  app: required(appName),
  wait: optional(duration(), '1s'),
  token: secret(maybe(text('a token'), '')),
  does: optional(oneOf('pass', 'fail', 'user', 'delivery', 'bug', 'much', 'hang'), 'pass'),
};

void runAction({
  name: 'sample',
  inputs,
  outputs: { verdict: (result: { verdict: 'pass' | 'fail' }) => result.verdict, app: () => 'shop' },
  summary: (result, values) => (values.does === 'much' ? 'é'.repeat(1_000_000) : `### ${result.verdict}`),
  verdict: (result) => ({ verdict: result.verdict, message: 'p95 is too high.' }),
  post: async (state) => {
    console.log(`post saw ${state('kept')}`);
  },
  run: async (values, toolkit) => {
    toolkit.saveState('kept', 'something');
    toolkit.log.info(`the token is ${values.token}`);
    if (values.does === 'user') throw new UserError('The host is not prepared.', 'Run prepare-host first.');
    if (values.does === 'delivery')
      throw new DeliveryError('Nginx refused it.', 'Version 1 still serves.', {
        cause: new Error('unknown directive'),
      });
    if (values.does === 'bug') throw new TypeError('x is not a function');
    if (values.does === 'hang') await cancelled(toolkit.signal);
    return { verdict: values.does === 'fail' ? ('fail' as const) : ('pass' as const) };
  },
});

function cancelled(signal: AbortSignal): Promise<never> {
  console.log('hanging');
  return new Promise((_, reject) => {
    const alive = setInterval(() => {}, 1000);
    signal.addEventListener('abort', () => {
      clearInterval(alive);
      reject(signal.reason);
    });
  });
}
