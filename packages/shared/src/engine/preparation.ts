import { statfs } from 'node:fs/promises';
import { UserError } from '../domain/errors.ts';
import type { Connection } from './connect.ts';
import { LABEL } from './container.ts';
import { configAuth, readDockerConfig } from './docker-config.ts';
import { asked } from './faults.ts';
import { findImage } from './images.ts';
import { ensureNetwork } from './network.ts';

/** What there is to know and to make on a bare host. */
export function preparableHost(
  { docker, host, endpoint }: Connection,
  network: string,
): {
  readonly host: string;
  ensureNetwork(): Promise<void>;
  engineVersion(): Promise<string>;
  freeDisk(): Promise<number | null>;
} {
  return {
    host,
    ensureNetwork: () => ensureNetwork(docker, host, network),
    engineVersion: async () => (await asked(host, 'tell its version', () => docker.version()))?.Version ?? 'unknown',
    freeDisk: async () => {
      // The data root is a path of the engine's machine; only a local Linux engine shares it with this process.
      if (endpoint.kind !== 'socket' || process.platform !== 'linux') return null;
      const info = (await asked(host, 'tell its settings', () => docker.info())) as
        | { DockerRootDir?: string }
        | undefined;
      try {
        const { bavail, bsize } = await statfs(info?.DockerRootDir ?? '');
        return bavail * bsize;
      } catch {
        return null;
      }
    },
  };
}

export interface ManagedRedis {
  readonly container: string;
  readonly image: string;
  /** On the host's loopback only: the registry has no password. */
  readonly port: number;
}

/**
 * The managed Redis, started if it is not running: appends every write to a file in a named volume, restarts with the engine, and
 * listens on the host's loopback alone. Returns its address.
 * @throws UserError when the host is not this machine, whose loopback the other actions could not reach.
 */
export async function startRedis({ docker, host, endpoint }: Connection, redis: ManagedRedis): Promise<string> {
  if (endpoint.kind !== 'socket') {
    throw new UserError(
      `The managed Redis listens on the loopback of ${host}, which the other actions cannot reach from here.`,
      'Run a Redis that they can reach, and give its address in `redis-url`.',
    );
  }
  const container = docker.getContainer(redis.container);
  const found = await asked(host, `inspect ${redis.container}`, () => container.inspect(), { fine: [404] });
  if (!found) await create({ docker, host }, redis);
  await asked(host, `start ${redis.container}`, () => docker.getContainer(redis.container).start(), {
    fine: [304],
    remedy: `Free port ${redis.port} of the host, or give the Redis that uses it in \`redis-url\`.`,
  });
  return `redis://127.0.0.1:${redis.port}`;
}

async function create({ docker, host }: Pick<Connection, 'docker' | 'host'>, redis: ManagedRedis): Promise<void> {
  const image = await findImage(docker, host, redis.image, (registry) =>
    configAuth(readDockerConfig(process.env))(registry),
  );
  await asked(host, `create ${redis.container}`, () =>
    docker.createContainer({
      name: redis.container,
      Image: image.id,
      Cmd: [
        'redis-server',
        '--appendonly',
        'yes',
        '--appendfsync',
        'everysec',
        '--dir',
        '/data',
        '--protected-mode',
        'no',
      ],
      Labels: { [LABEL.managed]: 'true' },
      ExposedPorts: { '6379/tcp': {} },
      HostConfig: {
        RestartPolicy: { Name: 'unless-stopped' },
        PortBindings: { '6379/tcp': [{ HostIp: '127.0.0.1', HostPort: String(redis.port) }] },
        Mounts: [{ Type: 'volume', Source: `${redis.container}-data`, Target: '/data' }],
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      },
    }),
  );
}
