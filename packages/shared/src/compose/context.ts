/**
 * Joins the adapters for the deployment actions. Only an action's `index.ts` imports this room, and only late: an input error is
 * reported before Docker, Redis or Nginx are as much as loaded.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { deploymentInputs } from '../action/deployment-inputs.ts';
import type { Values } from '../action/inputs.ts';
import type { Toolkit } from '../action/run.ts';
import type { Clock, Context, Engine, Lease, Proxy } from '../delivery/ports.ts';
import { deploymentId } from '../domain/names.ts';
import type { Connection } from '../engine/connect.ts';

export type DeploymentValues = Values<typeof deploymentInputs>;

/** The Docker network that instances and the managed Nginx share. */
export const NETWORK = 'cd-actions';

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    });
  },
};

/** Connects to the registry and every host, does the work, and closes what was opened however the work ends. */
export async function withContext<T>(
  values: DeploymentValues,
  toolkit: Toolkit,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const { redisRegistry } = await import('../registry/redis-registry.ts');
  const closing: (() => unknown)[] = [];
  try {
    const registry = redisRegistry(values['redis-url']);
    keep(closing, registry, () => registry.close());
    const connections = await connectHosts(values, closing);
    const fleet = { engines: await enginesOf(values, connections), proxies: await proxiesOf(values, connections) };
    for (const part of [...fleet.proxies, ...fleet.engines]) keep(closing, part, () => part.close());
    const id = deploymentId(values.app, values.environment);
    const { log, run, signal } = toolkit;
    const onLease = (lease: Lease | null): void => toolkit.saveState('lease', lease ? JSON.stringify(lease) : '');
    return await work({
      id,
      registry,
      fleet,
      clock: systemClock,
      log,
      run,
      signal,
      lockWait: values['lock-wait'],
      onLease,
    });
  } finally {
    await Promise.allSettled(closing.reverse().map(async (close) => close()));
  }
}

function keep<T>(closing: (() => unknown)[], part: T, close: () => unknown): T {
  closing.push(close);
  return part;
}

/** One connection per host; the default engine when none is named. */
export async function connectHosts(
  values: Pick<DeploymentValues, 'hosts'>,
  closing: (() => unknown)[],
): Promise<readonly Connection[]> {
  const { connect } = await import('../engine/connect.ts');
  const hosts: readonly (string | null)[] = values.hosts.length === 0 ? [null] : values.hosts;
  return Promise.all(
    hosts.map(async (host) => {
      const connection = await connect(host);
      return keep(closing, connection, () => connection.close());
    }),
  );
}

async function enginesOf(values: DeploymentValues, connections: readonly Connection[]): Promise<readonly Engine[]> {
  const { dockerEngine } = await import('../engine/docker.ts');
  return connections.map(({ docker, host, endpoint }) => {
    // An Nginx on this machine reaches the containers of a local Linux engine directly; all others by a published port.
    const direct = values.nginx === 'container' || (endpoint.kind === 'socket' && process.platform === 'linux');
    return dockerEngine({
      host: host === 'local' ? null : host,
      docker,
      network: NETWORK,
      addressing: direct ? 'network' : 'published',
      ...(endpoint.kind === 'socket' ? {} : { advertise: hostNameOf(endpoint) }),
      clock: systemClock,
    });
  });
}

/** `container`: a managed Nginx beside the instances on every host. `host`: the one of this machine, for all hosts. */
export async function proxiesOf(
  values: DeploymentValues,
  connections: readonly Connection[],
  options: { readonly insistOnPorts: boolean } = { insistOnPorts: false },
): Promise<readonly Proxy[]> {
  if (values.nginx === 'host') {
    const { localProxy } = await import('../nginx/local-host.ts');
    return [
      localProxy({
        binary: values['nginx-binary'],
        mainConfig: values['nginx-main-config'],
        configDir: values['nginx-config-dir'],
        clock: systemClock,
      }),
    ];
  }
  const [{ containerProxy }, { ensureNetwork }] = await Promise.all([
    import('../nginx/container-host.ts'),
    import('../engine/network.ts'),
  ]);
  return connections.map(({ docker, host }) =>
    containerProxy({
      name: host,
      docker,
      container: values['nginx-container'],
      image: values['nginx-image'],
      network: NETWORK,
      ensureNetwork: () => ensureNetwork(docker, host, NETWORK),
      configDir: values['nginx-config-dir'],
      ports: values['nginx-ports'],
      ...options,
      clock: systemClock,
    }),
  );
}

/**
 * The post step of the deployment actions: frees the lease of a main step that was killed, so that the next run need not wait for
 * it to expire. What that step left half done is put in order by the next run.
 */
export async function freeLease(
  state: (name: string) => string,
  values: DeploymentValues,
  toolkit: Toolkit,
): Promise<void> {
  const saved = state('lease');
  if (saved === '') return;
  const { redisRegistry } = await import('../registry/redis-registry.ts');
  const registry = redisRegistry(values['redis-url']);
  try {
    await registry.release(deploymentId(values.app, values.environment), JSON.parse(saved) as Lease);
    toolkit.log.warning(
      'This step ended before its work did. Its lease is freed; the next run puts in order what was left.',
    );
  } finally {
    await registry.close();
  }
}

/** Where the ports that a remote engine publishes are reached. */
function hostNameOf(endpoint: Exclude<Connection['endpoint'], { kind: 'socket' }>): string {
  return endpoint.kind === 'ssh' ? (endpoint.target.split('@').at(-1) ?? '') : endpoint.host;
}
