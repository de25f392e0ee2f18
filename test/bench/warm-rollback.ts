/** A rollback to a warm version by the bundle, as a job runs it: from the start of the process. */
import { randomBytes } from 'node:crypto';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import { parts } from '../support/parts.ts';
import { freePort, startRedis } from '../support/redis.ts';
import { type ActionRun, runAction } from '../support/run-action.ts';
import { shell } from './shell.ts';

export interface WarmRollback {
  /** Milliseconds from the start of the process to the line that says every Nginx answers with the new generation. */
  readonly confirmed: readonly number[];
  /** To the first request, on a fresh connection, that the other version answered. */
  readonly served: readonly number[];
  /** To the end of the process. */
  readonly ended: readonly number[];
  readonly failedRequests: number;
}

export async function warmRollback(times: number): Promise<WarmRollback> {
  const mark = randomBytes(3).toString('hex');
  const redis = await startRedis();
  const port = await freePort();
  const nginx = `cd-bench-nginx-${mark}`;
  const inputs = {
    app: 'bench',
    environment: `rollback-${mark}`,
    'redis-url': redis.url,
    hosts: `unix://${parts.docker?.socket}`,
    'nginx-container': nginx,
    'nginx-image': parts.images?.nginx ?? '',
    'nginx-ports': String(port),
  };
  try {
    await passes('prepare-host', inputs);
    for (const version of ['v1', 'v2']) {
      const about = { ...inputs, version };
      const env = `APP_VERSION=${version}`;
      await passes('register-container', {
        ...about,
        image: parts.images?.app ?? '',
        port: '3000',
        env,
        'health-stable': '200ms',
      });
      await passes('switch-traffic', { ...about, listen: String(port), 'drain-timeout': '3s' });
    }
    return await measure(inputs, `http://127.0.0.1:${port}`, times);
  } finally {
    const label = `label=cd-actions.deployment=bench@rollback-${mark}`;
    const left = (await shell('docker', ['ps', '-aq', '--filter', label])).split('\n').filter(Boolean);
    await shell('docker', ['rm', '-f', '-v', ...left, nginx]).catch(() => undefined);
    await shell('docker', ['volume', 'rm', `${nginx}-config`]).catch(() => undefined);
    await redis.stop();
  }
}

async function measure(inputs: Readonly<Record<string, string>>, url: string, times: number): Promise<WarmRollback> {
  const confirmed: number[] = [];
  const served: number[] = [];
  const ended: number[] = [];
  let failedRequests = 0;
  for (let time = 0; time < times; time += 1) {
    const to = time % 2 === 0 ? 'v1' : 'v2';
    let first = Number.NaN;
    let begun = Number.POSITIVE_INFINITY;
    const onSample = ({ version, sent }: { version: string; sent: number }): void => {
      if (version === to && sent > begun && Number.isNaN(first)) first = sent - begun;
    };
    const load = runLoad({ url, rate: 50, keepAlive: 'fresh', onSample });
    await new Promise((resolve) => setTimeout(resolve, 300));
    begun = performance.now();
    let said = Number.NaN;
    const onLine = (line: string): void => {
      if (line.includes('every Nginx answers with generation')) said = performance.now() - begun;
    };
    const run = await runAction('rollback', { ...inputs, 'to-version': to, 'drain-timeout': '3s' }, { onLine });
    if (run.code !== 0) throw new Error(run.stdout);
    ended.push(performance.now() - begun);
    failedRequests += (await load.stop()).failed;
    confirmed.push(said);
    served.push(first);
  }
  return { confirmed, served, ended, failedRequests };
}

async function passes(name: string, inputs: Readonly<Record<string, string>>): Promise<ActionRun> {
  const run = await runAction(name, inputs, { seconds: 90 });
  if (run.code !== 0) throw new Error(`${name} failed:\n${run.stdout}`);
  return run;
}
