import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Dockerode from 'dockerode';
import { messageOf, UnavailableError } from '../domain/errors.ts';
import { readDockerConfig } from './docker-config.ts';
import { type Endpoint, resolveEndpoint } from './endpoint.ts';
import { SshAgent } from './ssh.ts';

/** A Docker engine that has answered. */
export interface Connection {
  readonly docker: Dockerode;
  readonly endpoint: Endpoint;
  /** The host as given, `local` for the default engine. */
  readonly host: string;
  /** Closes idle connections; requests under way fail. */
  close(): void;
}

export interface ConnectOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The ssh client and its leading arguments. */
  readonly ssh?: readonly string[];
  /** Milliseconds to wait for the first answer. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT = 15_000;

/**
 * Connects to the engine of `host` (null: the default one, as the `docker` command would choose it) and waits for its first answer.
 * @throws UserError when the address or its TLS files cannot be used.
 * @throws UnavailableError when nothing answers within the timeout, with what to look at.
 */
export async function connect(host: string | null, options: ConnectOptions = {}): Promise<Connection> {
  const env = options.env ?? process.env;
  const endpoint = resolveEndpoint(host, env, readDockerConfig(env));
  const agent = agentFor(endpoint, options.ssh);
  const docker = new Dockerode(dockerOptions(endpoint, agent));
  const close = (): void => agent.destroy();
  try {
    await answered(docker, options.timeout ?? DEFAULT_TIMEOUT);
  } catch (error) {
    close();
    throw new UnavailableError('Docker', unreachable(host, endpoint, error), { cause: error });
  }
  return { docker, endpoint, host: host ?? 'local', close };
}

function agentFor(endpoint: Endpoint, ssh: readonly string[] | undefined): HttpAgent {
  if (endpoint.kind === 'ssh') return new SshAgent(endpoint.target, endpoint.port, ssh);
  if (endpoint.kind === 'tcp' && endpoint.tls)
    return new HttpsAgent({ keepAlive: true, rejectUnauthorized: endpoint.tls.verify });
  return new HttpAgent({ keepAlive: true });
}

/** Every option that dockerode would else take from DOCKER_HOST is set, so that the environment never mixes in. */
function dockerOptions(endpoint: Endpoint, agent: HttpAgent): Dockerode.DockerOptions {
  const none = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined };
  const where =
    endpoint.kind === 'socket'
      ? { socketPath: endpoint.path, protocol: 'http' }
      : endpoint.kind === 'ssh'
        ? { host: 'docker.invalid', port: 80, protocol: 'http' }
        : {
            host: endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host,
            port: endpoint.port,
            protocol: endpoint.tls ? 'https' : 'http',
            ca: endpoint.tls?.ca,
            cert: endpoint.tls?.cert,
            key: endpoint.tls?.key,
          };
  return { ...none, pathPrefix: '/', username: undefined, ...where, agent } as unknown as Dockerode.DockerOptions;
}

async function answered(docker: Dockerode, timeout: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeout / 1000} s`)), timeout);
  });
  try {
    await Promise.race([docker.ping(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(host: string | null, endpoint: Endpoint, error: unknown): string {
  const where = endpoint.kind === 'socket' ? endpoint.path : (host ?? addressOf(endpoint));
  return `The Docker engine at ${where} does not answer: ${messageOf(error)}. ${remedy(endpoint, error)}`;
}

function addressOf(endpoint: Exclude<Endpoint, { kind: 'socket' }>): string {
  return endpoint.kind === 'ssh' ? `ssh://${endpoint.target}` : `tcp://${endpoint.host}:${endpoint.port}`;
}

function remedy(endpoint: Endpoint, error: unknown): string {
  const said = messageOf(error);
  if (endpoint.kind === 'ssh') {
    if (/host key verification failed/i.test(said))
      return "Add the host's key to known_hosts (`ssh-keyscan`), after comparing it.";
    if (/permission denied/i.test(said)) return "Add this machine's SSH key to the user's authorized_keys.";
    if (/command not found|not found/i.test(said)) return 'Install the docker command on that host, for that user.';
    return `Check that \`ssh ${endpoint.target} docker version\` works without a password from here.`;
  }
  if (/EACCES/.test(said))
    return "Add this user to the socket's group (usually `docker`), or run as one who may use it.";
  if (/ENOENT|ECONNREFUSED/.test(said) && endpoint.kind === 'socket')
    return 'Start the engine (`systemctl start docker`, Docker Desktop), or name another in DOCKER_HOST or `hosts`.';
  return 'Check the address, the firewall, and the TLS files in DOCKER_CERT_PATH.';
}
