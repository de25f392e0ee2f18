import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildRequest, Log } from '../delivery/ports.ts';
import { messageOf, UserError } from '../domain/errors.ts';
import { type DockerConfig, type RegistryAuth, readDockerConfig } from './docker-config.ts';
import { buildFailure } from './failure.ts';
import { StepLog } from './steps.ts';
import { inert, jsonLines, linesOf } from './text.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Progress as JSON came with this version (https://github.com/docker/buildx/releases/tag/v0.13.0). */
const MIN_BUILDX = [0, 13] as const;

/** The version of the Buildx plugin; null when there is none that can be used. */
export function buildxVersion(env: Env): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn('docker', ['buildx', 'version'], {
      env: env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 15_000,
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk;
    });
    child.on('error', () => resolve(null));
    child.on('close', (code) => resolve(code === 0 ? usableVersion(out) : null));
  });
}

/** The version in `docker buildx version`'s answer; null when it is older than what is needed. One that is no number is a development build. */
export function usableVersion(answer: string): string | null {
  const match = /\bv?(\d+)\.(\d+)\.\d+/.exec(answer);
  if (!match) return answer.includes('buildx') ? 'development' : null;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > MIN_BUILDX[0] || minor >= MIN_BUILDX[1] ? match[0] : null;
}

/** An image of several platforms cannot be loaded into the engine: it goes to the registry at once. */
export function goesToRegistry(request: BuildRequest): boolean {
  return request.platforms.length > 1;
}

/** The arguments of `docker`. Values of secrets are not among them: they are handed over in the environment. */
export function buildxArguments(request: BuildRequest, metadataFile: string): readonly string[] {
  const each = (option: string, values: readonly string[]): string[] => values.flatMap((value) => [option, value]);
  const pairs = (record: Readonly<Record<string, string>>): string[] =>
    Object.entries(record).map(([name, value]) => `${name}=${value}`);
  const secrets = Object.keys(request.secrets).map((id, index) => `id=${id},env=${secretVariable(index)}`);
  return [
    'buildx',
    'build',
    '--progress=rawjson',
    ...(goesToRegistry(request) ? ['--push'] : ['--load', '--provenance=false']),
    ...['--metadata-file', metadataFile, '--file', request.dockerfile],
    ...each('--tag', request.references),
    ...each('--build-arg', pairs(request.buildArgs)),
    ...each('--label', pairs(request.labels)),
    ...each('--secret', secrets),
    ...(request.target === '' ? [] : ['--target', request.target]),
    ...(request.platforms.length === 0 ? [] : ['--platform', request.platforms.join(',')]),
    ...each('--cache-from', request.cacheFrom),
    ...each('--cache-to', request.cacheTo),
    ...(request.noCache ? ['--no-cache'] : []),
    ...(request.pull ? ['--pull'] : []),
    '--',
    request.context,
  ];
}

const secretVariable = (index: number): string => `CD_ACTIONS_BUILD_SECRET_${index}`;

function environment(request: BuildRequest, env: Env, config: Env): Record<string, string | undefined> {
  const secrets = Object.values(request.secrets).map((value, index) => [secretVariable(index), value]);
  return {
    ...env,
    // Buildx hands it to the build, where timestamps are then taken from it (https://reproducible-builds.org/specs/source-date-epoch/).
    ...(request.sourceDate === null || env['SOURCE_DATE_EPOCH']
      ? {}
      : { SOURCE_DATE_EPOCH: String(request.sourceDate) }),
    ...Object.fromEntries(secrets),
    ...config,
  };
}

/** What Buildx said of the result. `digest` is set when it pushed. */
export interface BuildxResult {
  readonly imageId: string;
  readonly digest: string;
}

/** Builds with `docker buildx`. @throws UserError naming the failed step. */
export async function buildWithBuildx(
  request: BuildRequest,
  login: RegistryAuth | null,
  env: Env,
  log: Log,
  signal: AbortSignal,
): Promise<BuildxResult> {
  const directory = await mkdtemp(join(tmpdir(), 'cd-actions-build-'));
  try {
    const metadataFile = join(directory, 'metadata.json');
    const config = login ? await configWithLogin(directory, readDockerConfig(env), login, env) : {};
    await run(buildxArguments(request, metadataFile), environment(request, env, config), log, signal);
    const metadata = JSON.parse(await readFile(metadataFile, 'utf8')) as Record<string, unknown>;
    const text = (key: string): string => (typeof metadata[key] === 'string' ? metadata[key] : '');
    return {
      imageId: text('containerimage.config.digest'),
      digest: goesToRegistry(request) ? text('containerimage.digest') : '',
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * A Docker config beside the user's, with one login more: contexts, plugins and builders stay what they are, and the login never
 * reaches the user's own file.
 */
async function configWithLogin(
  directory: string,
  config: DockerConfig,
  login: RegistryAuth,
  env: Env,
): Promise<Record<string, string>> {
  const own = join(directory, 'docker');
  await mkdir(own, { mode: 0o700 });
  const names = await readdir(config.directory).catch(() => []);
  for (const name of names) if (name !== 'config.json') await symlink(join(config.directory, name), join(own, name));
  const user = await readFile(join(config.directory, 'config.json'), 'utf8').catch(() => '{}');
  const parsed = JSON.parse(user) as Record<string, unknown> & { auths?: object; credHelpers?: Record<string, string> };
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  // A helper for the host would be asked before the file is looked at; an empty name is none.
  const credHelpers = { ...parsed.credHelpers, [login.serveraddress]: '' };
  const merged = { ...parsed, credHelpers, auths: { ...parsed.auths, [login.serveraddress]: { auth } } };
  await writeFile(join(own, 'config.json'), JSON.stringify(merged), { mode: 0o600 });
  return { DOCKER_CONFIG: own, BUILDX_CONFIG: env['BUILDX_CONFIG'] ?? join(config.directory, 'buildx') };
}

interface Status {
  readonly vertexes?: readonly Vertex[];
  readonly logs?: readonly { readonly vertex: string; readonly data: string }[];
  readonly warnings?: readonly { readonly vertex: string; readonly short: string }[];
}

interface Vertex {
  readonly digest: string;
  readonly name: string;
  readonly started?: string;
  readonly completed?: string;
  readonly cached?: boolean;
  readonly error?: string;
}

async function run(
  arguments_: readonly string[],
  env: Record<string, string | undefined>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn('docker', arguments_, { env: env as NodeJS.ProcessEnv, stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
  ended.catch(() => undefined);
  const steps = new StepLog(log);
  const words: string[] = [];
  try {
    for await (const status of jsonLines(child.stderr, (line) => words.push(line))) follow(steps, status as Status);
    const code = await ended;
    signal.throwIfAborted();
    if (code === 0) return;
    await steps.finish();
    if (steps.failed) throw buildFailure(steps.failed);
    throw new UserError(`docker buildx failed (exit code ${code}): ${said(words)}`, remedyFor(words.join('\n')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new UserError(`docker cannot be run: ${messageOf(error)}.`, 'Install the Docker CLI with Buildx.');
  } finally {
    signal.removeEventListener('abort', stop);
    await steps.finish();
  }
}

function remedyFor(words: string): string {
  if (/not supported for the docker driver/.test(words))
    return 'Use a builder of another driver: docker/setup-buildx-action makes one.';
  return 'Put right what it says.';
}

function said(words: readonly string[]): string {
  const last = words.filter((line) => line.trim() !== '').slice(-10);
  return last.map(inert).join('\n').slice(0, 3000) || 'it said nothing.';
}

function follow(steps: StepLog, status: Status): void {
  for (const vertex of status.vertexes ?? []) {
    if (vertex.started) steps.begin(vertex.digest, vertex.name);
    if (vertex.completed && vertex.cached) steps.add(vertex.digest, 'CACHED\n');
    // Steps that were cancelled because another failed carry an error too; the failure is told first.
    if (vertex.completed) steps.end(vertex.digest, vertex.error ?? '');
  }
  for (const entry of status.logs ?? []) steps.add(entry.vertex, Buffer.from(entry.data, 'base64').toString('utf8'));
  for (const warning of status.warnings ?? [])
    for (const line of linesOf(Buffer.from(warning.short, 'base64').toString('utf8')))
      steps.add(warning.vertex, `${line}\n`);
}
