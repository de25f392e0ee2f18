import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '../..');

export interface ActionRun {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** Standard output and error as the job's log would show them, in order. */
  readonly stdout: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** The job summary's Markdown. */
  readonly summary: string;
  /** What it kept for its post step: hand it to a second run as `state`. */
  readonly state: Readonly<Record<string, string>>;
  /** Files it left in RUNNER_TEMP, relative; the runner deletes them after the job. */
  readonly left: readonly string[];
  readonly milliseconds: number;
}

export interface ActionOptions {
  /** Added to a minimal environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The workspace; a temporary directory when not given. */
  readonly cwd?: string;
  /** Kept as RUNNER_TEMP; a temporary directory, deleted at the end, when not given. */
  readonly temp?: string;
  /** The state of an earlier run: with it this one is the post step. */
  readonly state?: Readonly<Record<string, string>>;
  /** Every line of the log as it is written. */
  readonly onLine?: (line: string) => void;
  /** Cancels the run as the runner does: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL. */
  readonly signal?: AbortSignal;
  /** Killed after this long; 120 when not given. */
  readonly seconds?: number;
  /** The program that runs the bundle; this Node when not given. */
  readonly node?: string;
}

interface Manifest {
  readonly inputs?: Readonly<Record<string, { readonly default?: unknown }>>;
  readonly runs: { readonly main: string; readonly post?: string };
}

/** What the runner reads of an action. */
export function manifestOf(name: string): Manifest {
  return parse(readFileSync(join(root, 'actions', name, 'action.yml'), 'utf8')) as Manifest;
}

/** The file that the runner starts. */
export function bundleOf(name: string): string {
  return resolve(root, 'actions', name, manifestOf(name).runs.main);
}

/** Names of all actions. */
export function actionNames(): readonly string[] {
  const directory = join(root, 'actions');
  return readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, 'action.yml')))
    .sort();
}

/** Runs the bundle of an action as GitHub's runner does: its inputs with their defaults, and its files, by environment variables. */
export async function runAction(
  name: string,
  inputs: Readonly<Record<string, string>>,
  options: ActionOptions = {},
): Promise<ActionRun> {
  const scratch = mkdtempSync(join(tmpdir(), `cd-actions-${name}-`));
  try {
    const files = commandFiles(scratch);
    const temp = options.temp ?? join(scratch, 'temp');
    const workspace = options.cwd ?? join(scratch, 'workspace');
    for (const directory of [temp, workspace]) mkdirSync(directory, { recursive: true });
    const env = {
      ...runnerEnvironment(workspace, temp),
      ...files,
      ...inputVariables(name, inputs),
      ...Object.fromEntries(Object.entries(options.state ?? {}).map(([key, value]) => [`STATE_${key}`, value])),
      ...options.env,
    };
    const began = performance.now();
    const { code, stdout } = await execute(name, workspace, env, options);
    return {
      code,
      stdout,
      outputs: readCommandFile(files.GITHUB_OUTPUT),
      state: readCommandFile(files.GITHUB_STATE),
      summary: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8'),
      left: readdirSync(temp, { recursive: true, encoding: 'utf8' }).sort(),
      milliseconds: performance.now() - began,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function commandFiles(directory: string): Record<'GITHUB_OUTPUT' | 'GITHUB_STATE' | 'GITHUB_STEP_SUMMARY', string> {
  const file = (name: string): string => {
    const path = join(directory, name);
    writeFileSync(path, '');
    return path;
  };
  return { GITHUB_OUTPUT: file('output'), GITHUB_STATE: file('state'), GITHUB_STEP_SUMMARY: file('summary') };
}

function runnerEnvironment(workspace: string, temp: string): NodeJS.ProcessEnv {
  const { PATH, HOME, DOCKER_HOST } = process.env;
  return {
    PATH,
    HOME,
    ...(DOCKER_HOST ? { DOCKER_HOST } : {}),
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_WORKSPACE: workspace,
    GITHUB_ACTOR: 'octocat',
    GITHUB_REPOSITORY: 'octocat/shop',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_JOB: 'deliver',
    RUNNER_TEMP: temp,
    RUNNER_OS: 'Linux',
  };
}

function inputVariables(name: string, given: Readonly<Record<string, string>>): Record<string, string> {
  const variables: Record<string, string> = {};
  const put = (input: string, value: string): void => {
    variables[`INPUT_${input.replaceAll(' ', '_').toUpperCase()}`] = value;
  };
  const declared = manifestOf(name).inputs ?? {};
  for (const [input, { default: fallback }] of Object.entries(declared)) {
    // An expression is the runner's to fill in; there is none here.
    put(input, fallback === undefined || /\$\{\{/.test(String(fallback)) ? '' : String(fallback));
  }
  for (const [input, value] of Object.entries(given)) {
    if (!(input in declared)) throw new Error(`${name} has no input ${input}`);
    put(input, value);
  }
  return variables;
}

function execute(
  name: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
  { onLine, signal, node = process.execPath, seconds = 120 }: ActionOptions,
): Promise<Pick<ActionRun, 'code' | 'stdout'>> {
  return new Promise((done, fail) => {
    const child = spawn(node, [bundleOf(name)], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timers = [setTimeout(() => child.kill('SIGKILL'), seconds * 1000)];
    const cancel = (): void => {
      child.kill('SIGINT');
      timers.push(
        setTimeout(() => child.kill('SIGTERM'), 7_500),
        setTimeout(() => child.kill('SIGKILL'), 10_000),
      );
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    let stdout = '';
    let unfinished = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (data: string) => {
        stdout += data;
        const lines = (unfinished + data).split('\n');
        unfinished = lines.pop() ?? '';
        for (const line of lines) onLine?.(line);
      });
    }
    child.on('error', fail);
    child.on('close', (code) => {
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      if (unfinished !== '') onLine?.(unfinished);
      done({ code, stdout });
    });
  });
}

/** `name=value` lines, and `name<<delimiter` blocks, of a command file of the runner. */
export function readCommandFile(path: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = readFileSync(path, 'utf8').split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const block = line.match(/^([^=]+?)<<(.+)$/);
    if (block) {
      const [, name = '', delimiter] = block;
      const end = lines.indexOf(delimiter ?? '', at + 1);
      values[name] = lines.slice(at + 1, end).join('\n');
      at = end;
    } else if (line.includes('=')) {
      values[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
    }
  }
  return values;
}
