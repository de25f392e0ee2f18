import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runIdentity } from '@cd-actions/shared/action/run';
import { afterAll, describe, expect, it } from 'vitest';

const ACTION = fileURLToPath(new URL('sample-action.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'cd-action-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Ran {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly outputs: string;
  readonly summary: string;
  readonly state: string;
}

let runs = 0;

/** Runs the action with inputs and the runner's files, as the runner does. */
async function run(
  inputs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
  onLine: (line: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Ran> {
  runs += 1;
  const file = (name: string): string => {
    const path = join(directory, `${runs}-${name}`);
    writeFileSync(path, '');
    return path;
  };
  const files = { GITHUB_OUTPUT: file('output'), GITHUB_STEP_SUMMARY: file('summary'), GITHUB_STATE: file('state') };
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
  );
  const child = spawn(process.execPath, ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', ACTION], {
    env: { PATH: process.env['PATH'], ...files, ...given, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    onLine(chunk, (signal) => child.kill(signal));
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const read = (path: string): string => readFileSync(path, 'utf8');
  return {
    code,
    lines: text.trim().split('\n'),
    outputs: read(files.GITHUB_OUTPUT),
    summary: read(files.GITHUB_STEP_SUMMARY),
    state: read(files.GITHUB_STATE),
  };
}

const errors = (ran: Ran): readonly string[] => ran.lines.filter((line) => line.startsWith('::error'));

describe('an action as the runner starts it', () => {
  it('sets outputs and summary, and ends well', async () => {
    const ran = await run({ app: 'shop' });
    expect(ran.code).toBe(0);
    expect(ran.outputs).toMatch(/verdict<<(\S+)\npass\n\1\napp<<(\S+)\nshop\n\2\n/);
    expect(ran.summary).toBe('### pass\n');
    expect(errors(ran)).toEqual([]);
  });

  it('fails with one line when one input is wrong', async () => {
    const ran = await run({ app: 'Shop' });
    expect(ran.code).toBe(1);
    expect(errors(ran)).toEqual([
      '::error::sample failed. Input `app`: "Shop" does not have the allowed form. Allowed: 1 to 40 of `a-z`, `0-9`, `-`, not beginning or ending with `-`. Change it under `with:`.',
    ]);
    expect(ran.outputs + ran.summary).toBe('');
  });

  it('names all wrong inputs, and says that nothing was changed', async () => {
    const ran = await run({ wait: 'soon', does: 'nothing' });
    expect(ran.code).toBe(1);
    expect(errors(ran).map((line) => /`([a-z]+)`/.exec(line)?.[1] ?? line)).toEqual([
      'app',
      'wait',
      'does',
      '::error::sample failed. 3 inputs are wrong; each is named above. Nothing was changed.',
    ]);
  });

  it('masks every line of a secret before anything is printed', async () => {
    const ran = await run({ app: 'shop', token: 'hunter2' });
    expect(ran.lines.indexOf('::add-mask::hunter2')).toBe(0);
    const refused = await run({ app: 'Shop', token: 'hunter2\nhunter3' });
    expect(refused.lines.slice(0, 2)).toEqual(['::add-mask::hunter2', '::add-mask::hunter3']);
    expect(errors(refused).join('')).not.toContain('hunter');
  });

  it('a gate that fails has set its outputs and its summary before', async () => {
    const ran = await run({ app: 'shop', does: 'fail' });
    expect(ran.code).toBe(1);
    expect(ran.outputs).toContain('\nfail\n');
    expect(ran.summary).toBe('### fail\n');
    expect(errors(ran)).toEqual(['::error::sample: fail. p95 is too high.']);
  });

  it('says what to do, what still serves, and what caused it', async () => {
    const [user, delivery] = await Promise.all([
      run({ app: 'shop', does: 'user' }),
      run({ app: 'shop', does: 'delivery' }),
    ]);
    expect(errors(user)).toEqual(['::error::sample failed. The host is not prepared. Run prepare-host first.']);
    expect(errors(delivery)).toEqual([
      '::error::Cause: unknown directive',
      '::error::sample failed. Nginx refused it. Version 1 still serves.',
    ]);
    expect([user.code, delivery.code]).toEqual([1, 1]);
  });

  it('owns up to a bug, with its stack', async () => {
    const ran = await run({ app: 'shop', does: 'bug' });
    expect(errors(ran).join('\n')).toMatch(/TypeError: x is not a function%0A +at .*sample-action/);
    expect(errors(ran).at(-1)).toBe(
      '::error::sample failed. This is a fault in the suite, please report it: x is not a function',
    );
  });

  it('cuts a summary at the limit of GitHub, between characters, and says so', async () => {
    const { summary } = await run({ app: 'shop', does: 'much' });
    expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(1_048_576);
    expect(Buffer.byteLength(summary)).toBeGreaterThan(1_048_000);
    expect(summary).toMatch(/^é+\n\n_Cut at the limit of a job summary\._\n$/);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops its story on %s and fails with the reason', async (signal) => {
    const ran = await run({ app: 'shop', does: 'hang' }, {}, (line, kill) => {
      if (line.includes('hanging')) kill(signal);
    });
    expect(ran.code).toBe(1);
    expect(errors(ran)).toEqual([`::error::sample failed. The run was cancelled (${signal}).`]);
  });

  it('runs its post step with what the main step kept', async () => {
    const main = await run({ app: 'shop' });
    expect(main.state).toMatch(/kept<<(\S+)\nsomething\n\1/);
    const post = await run({ app: 'shop' }, { STATE_phase: 'post', STATE_kept: 'something' });
    expect(post.code).toBe(0);
    expect(post.lines).toContain('post saw something');
    expect(post.outputs).toBe('');
  });

  it('does not begin again in the post step of a main step that failed', async () => {
    const main = await run({ app: 'Shop' });
    expect(main.state).toMatch(/^phase<<(\S+)\npost\n/);
    const post = await run({ app: 'Shop' }, { STATE_phase: 'post' });
    expect({ code: post.code, errors: errors(post) }).toEqual({ code: 0, errors: [] });
  });
});

describe('runIdentity', () => {
  it('is the run on GitHub, and differs between jobs and attempts', () => {
    const env = {
      GITHUB_RUN_ID: '42',
      GITHUB_RUN_ATTEMPT: '2',
      GITHUB_JOB: 'deliver',
      GITHUB_REPOSITORY: 'acme/shop',
      GITHUB_ACTOR: 'ada',
      GITHUB_SHA: 'abc',
    };
    const identity = runIdentity(env);
    expect(identity).toMatchObject({ actor: 'ada', sha: 'abc', url: 'https://github.com/acme/shop/actions/runs/42' });
    expect(identity.id).toMatch(/^42-2-deliver-/);
    expect(runIdentity({ ...env, GITHUB_RUN_ATTEMPT: '3' }).id).not.toBe(identity.id);
  });

  it('is somebody also outside of GitHub', () => {
    expect(runIdentity({})).toMatchObject({ actor: 'unknown', url: 'a local run', sha: '' });
  });
});
