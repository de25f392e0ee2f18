import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UserError } from '../domain/errors.ts';
import { hostUrl } from '../domain/names.ts';
import type { DockerConfig } from './docker-config.ts';

/** TLS material as PEM text; each part may be absent. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** False only when a Docker context says so. */
  readonly verify: boolean;
}

/** Where a Docker engine answers. */
export type Endpoint =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: Tls | null }
  | { readonly kind: 'ssh'; readonly target: string; readonly port: number | null };

type Env = Readonly<Record<string, string | undefined>>;

const TLS_PORT = 2376;

/**
 * The endpoint of a host as given in `hosts`, or of the default engine for null. The default is chosen as the `docker`
 * command does: DOCKER_HOST, DOCKER_CONTEXT, the current context of the user's config, the local socket.
 * @throws UserError when what is configured cannot be used.
 */
export function resolveEndpoint(host: string | null, env: Env, config: DockerConfig): Endpoint {
  if (host !== null) return parseEndpoint(host, env, config);
  const fromEnv = env['DOCKER_HOST'];
  if (fromEnv) return parseEndpoint(fromEnv.includes('://') ? fromEnv : `tcp://${fromEnv}`, env, config);
  const context = env['DOCKER_CONTEXT'] || config.currentContext;
  if (context && context !== 'default') return contextEndpoint(context, env, config);
  const home = env['HOME'];
  const desktop = home ? join(home, '.docker/run/docker.sock') : '';
  return { kind: 'socket', path: desktop && existsSync(desktop) ? desktop : '/var/run/docker.sock' };
}

function parseEndpoint(raw: string, env: Env, config: DockerConfig): Endpoint {
  if (raw.startsWith('npipe://')) return { kind: 'socket', path: raw.slice('npipe://'.length) };
  if (raw === 'unix://') return { kind: 'socket', path: '/var/run/docker.sock' };
  checkGrammar(raw);
  if (raw.startsWith('unix://')) return { kind: 'socket', path: raw.slice('unix://'.length) };
  const url = new URL(raw.replace(/^[a-z]+:/, 'http:'));
  const name = url.hostname.replace(/^\[|\]$/g, '');
  if (raw.startsWith('ssh://')) {
    const user = url.username === '' ? '' : `${url.username}@`;
    return { kind: 'ssh', target: `${user}${name}`, port: url.port === '' ? portOf(raw) : Number(url.port) };
  }
  const port = portOf(raw) ?? 2375;
  return { kind: 'tcp', host: name, port, tls: tlsFor(raw, port, env, config) };
}

function checkGrammar(raw: string): void {
  try {
    hostUrl.parse(raw);
  } catch (error) {
    throw new UserError(
      `The Docker host ${JSON.stringify(raw.slice(0, 80))} ${messageOf(error)}.`,
      `Write it as ${hostUrl.allowed}.`,
    );
  }
  // A name that begins with `-` would be an option to the ssh client.
  if (/^ssh:\/\/(?:[^@]*@)?-|^ssh:\/\/-/.test(raw))
    throw new UserError(`The Docker host ${JSON.stringify(raw)} begins with "-".`, 'Give the name of a host.');
  const port = portOf(raw);
  if (port !== null && (port < 1 || port > 65_535))
    throw new UserError(
      `The Docker host ${JSON.stringify(raw)} has a port that does not exist.`,
      'Use a port from 1 to 65535.',
    );
}

/** The port as written: `URL` drops 80, the default of the scheme it is parsed with. */
function portOf(raw: string): number | null {
  const match = /:(\d{1,5})$/.exec(raw);
  return match ? Number(match[1]) : null;
}

/** 2375 is plain by convention (https://docs.docker.com/reference/cli/dockerd/#bind-docker-to-another-hostport-or-a-unix-socket). */
function tlsFor(raw: string, port: number, env: Env, config: DockerConfig): Tls | null {
  const wanted = port === TLS_PORT || env['DOCKER_TLS_VERIFY'] || (env['DOCKER_CERT_PATH'] && port !== 2375);
  if (!wanted) return null;
  const directory = env['DOCKER_CERT_PATH'] || config.directory;
  const tls = readTls(directory, true);
  if (!tls.cert || !tls.key)
    throw new UserError(
      `${raw} is to be reached over TLS, but there is no client certificate in ${directory}.`,
      'Put ca.pem, cert.pem and key.pem into a directory and name it in the environment variable DOCKER_CERT_PATH.',
    );
  return tls;
}

function readTls(directory: string, verify: boolean): Tls {
  const read = (file: string): string | undefined => {
    const path = join(directory, file);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  };
  const [ca, cert, key] = [read('ca.pem'), read('cert.pem'), read('key.pem')];
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}), verify };
}

/** A context's files lie under the SHA-256 of its name (https://docs.docker.com/engine/manage-resources/contexts/). */
function contextEndpoint(context: string, env: Env, config: DockerConfig): Endpoint {
  const id = createHash('sha256').update(context).digest('hex');
  const file = join(config.directory, 'contexts/meta', id, 'meta.json');
  try {
    const meta = JSON.parse(readFileSync(file, 'utf8')) as {
      Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
    };
    const docker = meta.Endpoints?.docker;
    if (!docker?.Host) throw new Error('it names no Docker host');
    const endpoint = parseEndpoint(docker.Host, { HOME: env['HOME'] }, config);
    const files = join(config.directory, 'contexts/tls', id, 'docker');
    if (endpoint.kind !== 'tcp' || !existsSync(files)) return endpoint;
    return { ...endpoint, tls: readTls(files, docker.SkipTLSVerify !== true) };
  } catch (error) {
    throw new UserError(
      `The Docker context ${JSON.stringify(context)} cannot be used: ${messageOf(error)}.`,
      'Choose another with `docker context use`, or set the environment variable DOCKER_HOST.',
      { cause: error },
    );
  }
}
