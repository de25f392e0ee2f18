import { randomBytes } from 'node:crypto';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { type DeploymentId, deploymentId } from '@cd-actions/shared/domain/names';
import { type Connection, connect } from '@cd-actions/shared/engine/connect';
import { dockerEngine } from '@cd-actions/shared/engine/docker';
import { ensureNetwork } from '@cd-actions/shared/engine/network';
import { containerProxy } from '@cd-actions/shared/nginx/container-host';
import { redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import type Docker from 'dockerode';
import { realClock } from './clock.ts';
import { type ContextOptions, type Coordinates, closeContext, memoryLog } from './delivery-world.ts';
import { parts } from './parts.ts';
import { freePort, type LocalRedis, startRedis } from './redis.ts';

/** One host of a fleet: as in the input `hosts`, and the address at which its published ports are reached from here. */
export interface FleetHost {
  readonly url: string;
  readonly address: string;
  /** The ssh client and its leading arguments, for `ssh://`. */
  readonly ssh?: readonly string[];
}

/** Several real Docker hosts with a managed Nginx on each, and one registry. */
export interface FleetWorld {
  readonly at: Coordinates;
  readonly redis: LocalRedis;
  /** The app's public address on each host. */
  readonly urls: readonly string[];
  /** A context of its own, as another run would have. Connects anew, and fails when a host is away. */
  context(options?: ContextOptions & { readonly app?: string }): Promise<Context>;
  /** A shell command in the Nginx container of a host. Returns its standard output. */
  inNginx(host: number, script: string): Promise<string>;
  docker(host: number): Docker;
  close(): Promise<void>;
}

let runs = 0;

export async function fleetWorld(hosts: readonly FleetHost[]): Promise<FleetWorld> {
  const mark = randomBytes(3).toString('hex');
  const redis = await startRedis();
  const id = deploymentId('fleet', `test-${mark}`);
  const names = { network: `cd-test-${mark}`, nginx: `cd-test-nginx-${mark}` };
  const at: Coordinates = { id, redisUrl: redis.url, ...names, port: await freePort() };
  const connections = await Promise.all(
    hosts.map(async (host) => connect(host.url, host.ssh ? { ssh: host.ssh } : {})),
  );
  const contexts: Context[] = [];
  const ids = new Set<DeploymentId>([id]);
  const docker = (host: number): Docker => {
    const found = connections[host];
    if (!found) throw new Error(`there is no host ${host}`);
    return found.docker;
  };
  return {
    at,
    redis,
    urls: hosts.map(({ address }) => `http://${address}:${at.port}`),
    docker,
    inNginx: (host, script) => shellIn(docker(host), at.nginx, script),
    context: async (options = {}) => {
      const own = options.app ? { ...at, id: deploymentId(options.app, `test-${mark}`) } : at;
      ids.add(own.id);
      const context = await openFleet(own, hosts, options);
      contexts.push(context);
      return context;
    },
    close: async () => {
      for (const context of contexts) await closeContext(context);
      for (const each of connections) await removeAll(each, at, [...ids]).catch(() => undefined);
      await redis.stop();
    },
  };
}

async function openFleet(at: Coordinates, hosts: readonly FleetHost[], options: ContextOptions): Promise<Context> {
  const connections = await Promise.all(hosts.map(({ url, ssh }) => connect(url, ssh ? { ssh } : {})));
  const { network } = at;
  const clock = realClock;
  runs += 1;
  return {
    id: at.id,
    registry: redisRegistry(at.redisUrl),
    fleet: {
      engines: connections.map(({ docker, host, close }) =>
        dockerEngine({ docker, host, network, addressing: 'network', clock, onClose: close }),
      ),
      proxies: connections.map(({ docker, host }) =>
        containerProxy({
          docker,
          name: host,
          container: at.nginx,
          image: parts.images?.nginx ?? '',
          network,
          ensureNetwork: () => ensureNetwork(docker, host, network),
          ports: [at.port],
          clock,
        }),
      ),
    },
    clock,
    log: options.log ?? memoryLog(),
    run: { actor: 'tester', url: 'a test', sha: 'c0ffee', id: `fleet-${process.pid}-${runs}` },
    signal: options.signal ?? new AbortController().signal,
    lockWait: options.lockWait ?? 60_000,
    ...(options.leaseTtl === undefined ? {} : { leaseTtl: options.leaseTtl }),
  };
}

async function removeAll({ docker, close }: Connection, at: Coordinates, ids: readonly DeploymentId[]): Promise<void> {
  for (const id of ids) {
    const label = [`cd-actions.deployment=${id}`];
    for (const { Id } of await docker.listContainers({ all: true, filters: { label } }))
      await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const remove of [
    () => docker.getContainer(at.nginx).remove({ force: true, v: true }),
    () => docker.getVolume(`${at.nginx}-config`).remove(),
    () => docker.getNetwork(at.network).remove(),
  ])
    await remove().catch(() => undefined);
  close();
}

async function shellIn(docker: Docker, container: string, script: string): Promise<string> {
  const exec = await docker
    .getContainer(container)
    .exec({ Cmd: ['sh', '-c', script], AttachStdout: true, AttachStderr: true, Tty: true });
  const stream = await exec.start({ hijack: true, Tty: true, stdin: false });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
