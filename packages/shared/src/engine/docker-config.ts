import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf, UserError } from '../domain/errors.ts';

/** What is used of the user's Docker config (https://docs.docker.com/reference/cli/docker/#configuration-files). */
export interface DockerConfig {
  readonly directory: string;
  readonly currentContext: string;
  readonly auths: Readonly<Record<string, StoredAuth>>;
  /** Registry host to helper name. */
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string;
}

interface StoredAuth {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/** Credentials in the form the Engine API takes. */
export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly serveraddress: string;
  readonly identitytoken?: string;
}

/** Finds the credentials for a registry host; null is anonymous. */
export type AuthLookup = (registry: string) => Promise<RegistryAuth | null>;

type Env = Readonly<Record<string, string | undefined>>;

const HUB = 'docker.io';
const HUB_KEY = 'https://index.docker.io/v1/';
const HELPER_TIMEOUT = 30_000;

/** Reads the config of `DOCKER_CONFIG` or `~/.docker`. An absent file is an empty config. @throws UserError when it is no JSON. */
export function readDockerConfig(env: Env): DockerConfig {
  const directory = env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker');
  const raw = readConfigFile(join(directory, 'config.json'));
  return {
    directory,
    currentContext: textOr(raw['currentContext']),
    auths: (raw['auths'] ?? {}) as DockerConfig['auths'],
    credHelpers: (raw['credHelpers'] ?? {}) as DockerConfig['credHelpers'],
    credsStore: textOr(raw['credsStore']),
  };
}

const textOr = (value: unknown): string => (typeof value === 'string' ? value : '');

function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UserError(`The Docker config ${file} cannot be read: ${messageOf(error)}.`, 'Make it readable.');
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // Told below, without the parser's message: it quotes the file, which holds credentials.
  }
  throw new UserError(
    `The Docker config ${file} is not JSON.`,
    'Repair it, or remove it and run `docker login` again.',
  );
}

/** The registry host of an image reference: the part before the first `/` if it looks like a host, else Docker Hub. */
export function registryOf(reference: string): string {
  const slash = reference.indexOf('/');
  const first = slash < 0 ? '' : reference.slice(0, slash);
  return /[.:]/.test(first) || first === 'localhost' ? first.replace(/^index\.docker\.io$/, HUB) : HUB;
}

/** Looks in the config as `docker` does: the host's credential helper, the credential store, then what is stored in the file. */
export function configAuth(config: DockerConfig, env: Env = process.env): AuthLookup {
  return async (registry) => {
    const keys = registry === HUB ? [HUB_KEY, HUB, 'index.docker.io', 'registry-1.docker.io'] : [registry];
    for (const key of keys) {
      const helper = config.credHelpers[key] ?? config.credsStore;
      const found = helper ? await askHelper(helper, key, env) : null;
      if (found) return found;
    }
    const stored = Object.entries(config.auths).find(([key]) => keys.some((each) => hostOf(each) === hostOf(key)));
    return stored ? decode(registry === HUB ? HUB_KEY : registry, stored[1]) : null;
  };
}

/** Every registry host that the config has credentials for. */
export function configuredRegistries(config: DockerConfig): readonly string[] {
  const hosts = [...Object.keys(config.auths), ...Object.keys(config.credHelpers)].map(hostOf);
  return [...new Set(hosts.map((host) => (host === 'index.docker.io' ? HUB : host)))];
}

/** The login a user gave as inputs for one registry, before what the config says. */
export function withLogin(login: RegistryAuth | null, otherwise: AuthLookup): AuthLookup {
  return async (registry) =>
    login && hostOf(login.serveraddress) === hostOf(serverAddress(registry)) ? login : otherwise(registry);
}

/** How a registry host is named in credentials. */
export function serverAddress(registry: string): string {
  return registry === HUB ? HUB_KEY : registry;
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function decode(serveraddress: string, stored: StoredAuth): RegistryAuth | null {
  if (stored.identitytoken) return { username: '', password: '', serveraddress, identitytoken: stored.identitytoken };
  if (stored.username && stored.password)
    return { username: stored.username, password: stored.password, serveraddress };
  if (!stored.auth) return null;
  const text = Buffer.from(stored.auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) return null;
  // Docker pads the password with NUL bytes in old files.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, ''), serveraddress };
}

/** The protocol of https://github.com/docker/docker-credential-helpers: the server on stdin, JSON on stdout. */
async function askHelper(helper: string, server: string, env: Env): Promise<RegistryAuth | null> {
  if (!/^[A-Za-z0-9_.-]+$/.test(helper))
    throw new UserError(
      `The Docker config names the credential helper ${JSON.stringify(helper)}.`,
      'Correct the name.',
    );
  const program = `docker-credential-${helper}`;
  const { code, stdout } = await runHelper(program, server, env);
  if (code !== 0) {
    if (/not found/i.test(stdout)) return null;
    throw new UserError(
      `The credential helper ${program} failed for ${server} (exit code ${code}).`,
      `Run \`echo ${server} | ${program} get\` by hand and put right what it says.`,
    );
  }
  try {
    const answer = JSON.parse(stdout) as { Username?: string; Secret?: string };
    if (!answer.Secret) return null;
    return answer.Username === '<token>'
      ? { username: '', password: '', serveraddress: server, identitytoken: answer.Secret }
      : { username: answer.Username ?? '', password: answer.Secret, serveraddress: server };
  } catch {
    throw new UserError(`The credential helper ${program} did not answer with JSON.`, 'Update or replace the helper.');
  }
}

function runHelper(program: string, server: string, env: Env): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      env: env as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: HELPER_TIMEOUT,
    });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = (stdout + chunk).slice(-65_536);
    });
    child.on('error', (error) =>
      reject(
        new UserError(
          `The credential helper ${program} of the Docker config cannot be run: ${messageOf(error)}.`,
          'Install it, or log in without a helper.',
        ),
      ),
    );
    child.on('close', (code) => resolve({ code: code ?? 1, stdout }));
    // A helper that ends early closes its stdin; its exit code tells the story.
    child.stdin.on('error', () => undefined).end(server);
  });
}
