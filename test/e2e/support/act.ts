import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DockerHost } from '../../support/docker-host.ts';
import { parts } from '../../support/parts.ts';

/** How a workflow ended. */
export interface WorkflowRun {
  readonly code: number | null;
  /** `success`, `failure` or `cancelled`, by job name; jobs of a called workflow stand under `caller/job`. A skipped job is absent. */
  readonly jobs: Readonly<Record<string, string>>;
  /** The result of every main step, by `job: step`. */
  readonly steps: Readonly<Record<string, string>>;
  /** All that the steps wrote, as a user reads it. */
  readonly log: string;
}

export interface ActOptions {
  readonly host: DockerHost;
  /** The checkout whose workflow runs. */
  readonly repository: string;
  /** The release tree, and the refs under which callers know it. */
  readonly tree: string;
  readonly refs: readonly string[];
  readonly workflow: string;
  readonly event?: string;
  /** The event's payload. */
  readonly payload?: unknown;
  readonly env?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly inputs?: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  /** Where act keeps its files; one per run at a time. */
  readonly cache: string;
  /** Cancels the run when a line of the log contains this. */
  readonly cancelAt?: string;
  /** Default 150. */
  readonly seconds?: number;
}

const pairs = (flag: string, values: Readonly<Record<string, string>> = {}): readonly string[] =>
  Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`]);

/** Executes a workflow in act's host mode, as a self-hosted runner on that Docker host would. */
export async function act(options: ActOptions): Promise<WorkflowRun> {
  const event = join(options.cache, 'event.json');
  writeFileSync(event, JSON.stringify(options.payload ?? {}));
  const args = [
    options.event ?? 'push',
    '--json',
    '--workflows',
    options.workflow,
    '--eventpath',
    event,
    ...['self-hosted', 'ubuntu-latest'].flatMap((label) => ['--platform', `${label}=-self-hosted`]),
    ...options.refs.flatMap((ref) => ['--local-repository', `${ref}=${options.tree}`]),
    '--action-cache-path',
    join(options.cache, 'actions'),
    '--no-cache-server',
    '--container-daemon-socket',
    '-',
    ...pairs('--env', options.env),
    ...pairs('--secret', options.secrets),
    ...pairs('--input', options.inputs),
    ...pairs('--var', options.variables),
  ];
  const [program, all] = options.host.inside(parts.act?.binary ?? 'act', args);
  const env = {
    HOME: options.cache,
    XDG_CACHE_HOME: options.cache,
    DOCKER_HOST: options.host.url,
    // The runtime of the actions, which act takes from the path.
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
  };
  const limits = { milliseconds: (options.seconds ?? 150) * 1000, cancelAt: options.cancelAt };
  const { code, output } = await finished(program, all, options.repository, env, limits);
  return { code, ...read(output) };
}

function finished(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  limits: { readonly milliseconds: number; readonly cancelAt: string | undefined },
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), limits.milliseconds);
    let output = '';
    let cancelled = false;
    const said = (data: string): void => {
      output += data;
      if (cancelled || limits.cancelAt === undefined || !output.includes(limits.cancelAt)) return;
      cancelled = true;
      child.kill('SIGINT');
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', said);
    child.on('error', fail);
    child.on('close', (code) => {
      clearTimeout(timer);
      done({ code, output });
    });
  });
}

interface Line {
  readonly job?: string;
  readonly jobResult?: string;
  readonly msg?: string;
  readonly stage?: string;
  readonly step?: string;
  readonly stepResult?: string;
}

function read(output: string): Omit<WorkflowRun, 'code'> {
  const jobs: Record<string, string> = {};
  const steps: Record<string, string> = {};
  const log: string[] = [];
  for (const text of output.split('\n')) {
    const line = parsed(text);
    const job = jobName(line.job ?? '');
    if (line.jobResult) jobs[job] = line.jobResult;
    if (line.stage === 'Main' && line.stepResult) steps[`${job}: ${line.step}`] = line.stepResult;
    log.push(`${job}: ${(line.msg ?? '').trimEnd()}`);
  }
  return { jobs, steps, log: log.join('\n') };
}

/** act says `workflow/job`, and `caller/workflow/job` of a called one. */
function jobName(said: string): string {
  const names = said.split('/').map((name) => name.trim());
  return names.filter((_, at) => at !== names.length - 2).join('/');
}

function parsed(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return { msg: text };
  }
}
