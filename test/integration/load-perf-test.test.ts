import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type FaultServer, startFaultServer } from '../support/fault-server.ts';

const ACTION = fileURLToPath(new URL('../../actions/perf-test/src/index.ts', import.meta.url));
let server: FaultServer;
let directory: string;
beforeAll(async () => {
  server = await startFaultServer({ kind: 'constant', delay: 5 });
});
afterAll(() => server.stop());
beforeEach((context) => {
  directory = mkdtempSync(join(tmpdir(), 'cd-actions-perf-'));
  context.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
});

/** Runs the action's source as the runner would its bundle, and interrupts it when it says `cancelAt`. */
async function run(inputs: Readonly<Record<string, string>>, cancelAt?: string) {
  const file = (name: string): string => join(directory, name);
  for (const name of ['output', 'summary', 'state']) writeFileSync(file(name), '');
  const env = {
    ...{ PATH: process.env['PATH'], RUNNER_TEMP: directory, GITHUB_WORKSPACE: directory },
    ...{ GITHUB_OUTPUT: file('output'), GITHUB_STEP_SUMMARY: file('summary'), GITHUB_STATE: file('state') },
    ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
  };
  const child = spawn(process.execPath, ['--no-warnings', ACTION], { env });
  let log = '';
  let interruptedAt = 0;
  child.stdout.on('data', (data) => {
    log += data;
    if (cancelAt === undefined || interruptedAt > 0 || !log.includes(cancelAt)) return;
    interruptedAt = performance.now();
    child.kill('SIGINT');
  });
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const outputs = Object.fromEntries(
    [...readFileSync(file('output'), 'utf8').matchAll(/^(.+?)<<(.+)\n([\s\S]*?)\n\2$/gm)].map((match) => [
      match[1],
      match[3] ?? '',
    ]),
  ) as Readonly<Record<string, string>>;
  const took = performance.now() - interruptedAt;
  return { exitCode, log, outputs, summary: readFileSync(file('summary'), 'utf8'), took };
}

it('passes, and writes outputs, summary, result and report', async () => {
  const { exitCode, outputs, summary } = await run({
    ...{ 'target-url': `${server.url}api?token=hunter2`, rate: '200', duration: '2s', warmup: '200ms' },
    ...{
      thresholds: 'error-rate<1%\np95<5s',
      'result-file': 'out/perf.json',
      headers: 'Authorization: Bearer hunter2',
    },
  });
  expect(exitCode).toBe(0);
  expect(outputs).toMatchObject({ verdict: 'pass', requests: '400', 'error-rate': '0', regression: '' });
  expect(Number(outputs['p50'])).toBeGreaterThan(5);
  expect(outputs['result-file']).toBe(join(directory, 'out/perf.json'));
  const kept = readFileSync(outputs['result-file'] ?? '', 'utf8');
  expect(JSON.parse(kept)).toMatchObject({
    schema: 1,
    verdict: 'pass',
    result: { requests: 400, versions: { v1: 400 } },
  });
  const report = readFileSync(outputs['report-file'] ?? '', 'utf8');
  expect(report).toContain('<svg');
  expect(summary).toMatch(/^### .*Passed/);
  expect(summary).toContain('xychart-beta');
  for (const text of [kept, report, summary]) expect(text).not.toContain('hunter2');
});

it('fails the step on a threshold that is not met, after everything is written', async () => {
  const thresholds = { 'target-url': server.url, rate: '100', duration: '1s', warmup: '0s', thresholds: 'p50<1ms' };
  const { exitCode, log, outputs, summary } = await run(thresholds);
  expect(exitCode).toBe(1);
  expect(outputs['verdict']).toBe('fail');
  expect(log).toMatch(/::error::perf-test: fail\. Not met: p50<1ms/);
  expect(summary).toMatch(/Failed/);
  expect(readFileSync(outputs['report-file'] ?? '', 'utf8')).toContain('not met');
});

it('sends nothing to a host that is not its own to load', async () => {
  const { exitCode, log, outputs } = await run({ 'target-url': 'http://203.0.113.7/', duration: '1s' });
  expect(exitCode).toBe(1);
  expect(log).toMatch(/203\.0\.113\.7 .*not put under load.*allowed-targets: 203\.0\.113\.7/);
  expect(outputs).toEqual({});
});

it('ends within 2 s of a cancel', async () => {
  const { exitCode, log, took } = await run({ 'target-url': server.url, duration: '60s' }, 'Load http');
  expect(exitCode).toBe(1);
  expect(log).toContain('cancelled');
  expect(took).toBeLessThan(2000);
});
