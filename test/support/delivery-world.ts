import { randomBytes } from 'node:crypto';
import type { Context, Engine, Log, Proxy } from '@cd-actions/shared/delivery/ports';
import type { RegisterRequest } from '@cd-actions/shared/delivery/register';
import type { SwitchRequest } from '@cd-actions/shared/delivery/switch';
import type { Deployment } from '@cd-actions/shared/domain/deployment';
import { type DeploymentId, deploymentId } from '@cd-actions/shared/domain/names';
import type { Route, TrafficPlan } from '@cd-actions/shared/domain/traffic';
import { shift } from '@cd-actions/shared/domain/traffic';
import { connect } from '@cd-actions/shared/engine/connect';
import { dockerEngine } from '@cd-actions/shared/engine/docker';
import { ensureNetwork } from '@cd-actions/shared/engine/network';
import { containerProxy } from '@cd-actions/shared/nginx/container-host';
import { redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import type Docker from 'dockerode';
import { realClock } from './clock.ts';
import { parts } from './parts.ts';
import { freePort, type LocalRedis, startRedis } from './redis.ts';

/** Where a world's parts are: enough for another process to work on the same ones. */
export interface Coordinates {
  readonly id: DeploymentId;
  readonly redisUrl: string;
  readonly network: string;
  readonly nginx: string;
  readonly port: number;
}

/** Real Docker, Nginx and Redis under names of a test's own. */
export interface DeliveryWorld {
  readonly at: Coordinates;
  readonly redis: LocalRedis;
  readonly docker: Docker;
  readonly publicUrl: string;
  /** A context of its own, as another run would have; closed with the world. */
  context(options?: ContextOptions): Promise<Context>;
  /** Containers of the deployment, running or not. */
  containers(): Promise<readonly { readonly version: string; readonly running: boolean; readonly id: string }[]>;
  close(): Promise<void>;
}

export interface ContextOptions {
  readonly signal?: AbortSignal;
  readonly log?: Log;
  readonly lockWait?: number;
  readonly leaseTtl?: number;
}

/** Keeps what was logged, for messages of failing tests. */
export function memoryLog(lines: string[] = []): Log {
  return {
    debug: () => undefined,
    info: (message) => void lines.push(message),
    warning: (message) => void lines.push(`warning: ${message}`),
    group: async (title, work) => {
      lines.push(title);
      return work();
    },
  };
}

export async function deliveryWorld(app = 'shop'): Promise<DeliveryWorld> {
  const mark = randomBytes(3).toString('hex');
  const redis = await startRedis();
  const port = await freePort();
  const at: Coordinates = {
    id: deploymentId(app, `test-${mark}`),
    redisUrl: redis.url,
    network: `cd-test-${mark}`,
    nginx: `cd-test-nginx-${mark}`,
    port,
  };
  const contexts: Context[] = [];
  const { docker, close } = await connect(`unix://${parts.docker?.socket}`);
  const containers = async (): Promise<readonly { version: string; running: boolean; id: string }[]> => {
    const label = [`cd-actions.deployment=${at.id}`];
    const found = await docker.listContainers({ all: true, filters: { label } });
    return found.map((each) => ({
      version: each.Labels['cd-actions.version'] ?? '',
      running: each.State === 'running',
      id: each.Id,
    }));
  };
  return {
    at,
    redis,
    docker,
    publicUrl: `http://127.0.0.1:${port}`,
    containers,
    context: async (options) => {
      const context = await openContext(at, options);
      contexts.push(context);
      return context;
    },
    close: async () => {
      for (const context of contexts) await closeContext(context);
      for (const { id } of await containers()) await docker.getContainer(id).remove({ force: true, v: true });
      await docker
        .getContainer(at.nginx)
        .remove({ force: true, v: true })
        .catch(() => undefined);
      await docker
        .getVolume(`${at.nginx}-config`)
        .remove()
        .catch(() => undefined);
      await docker
        .getNetwork(at.network)
        .remove()
        .catch(() => undefined);
      close();
      await redis.stop();
    },
  };
}

let runs = 0;

/** The real adapters on a world's parts. */
export async function openContext(at: Coordinates, options: ContextOptions = {}): Promise<Context> {
  const { docker, close } = await connect(`unix://${parts.docker?.socket}`);
  const base = { docker, network: at.network, clock: realClock };
  const engine: Engine = dockerEngine({ ...base, host: null, addressing: 'network', onClose: close });
  const proxy: Proxy = containerProxy({
    ...base,
    name: 'local',
    container: at.nginx,
    image: parts.images?.nginx ?? '',
    ensureNetwork: () => ensureNetwork(docker, 'local', at.network),
    ports: [at.port],
  });
  runs += 1;
  return {
    id: at.id,
    registry: redisRegistry(at.redisUrl),
    fleet: { engines: [engine], proxies: [proxy] },
    clock: realClock,
    log: options.log ?? memoryLog(),
    run: { actor: 'tester', url: 'a test', sha: 'c0ffee', id: `test-${process.pid}-${runs}` },
    signal: options.signal ?? new AbortController().signal,
    lockWait: options.lockWait ?? 60_000,
    ...(options.leaseTtl === undefined ? {} : { leaseTtl: options.leaseTtl }),
  };
}

export async function closeContext(context: Context): Promise<void> {
  await Promise.allSettled([
    context.registry.close(),
    ...context.fleet.proxies.map((proxy) => proxy.close()),
    ...context.fleet.engines.map((engine) => engine.close()),
  ]);
}

/** Registers one version of the sample application: one image, another configuration. */
export function aRegistration(
  version: string,
  options: { readonly faults?: string; readonly replicas?: number; readonly stopTimeout?: number } = {},
): RegisterRequest {
  return {
    version,
    spec: {
      image: parts.images?.app ?? '',
      port: 3000,
      replicas: options.replicas ?? 1,
      env: { APP_VERSION: version, ...(options.faults ? { FAULTS: options.faults } : {}) },
      secretEnv: [],
      command: [],
      volumes: [],
      networks: [],
      memory: 0,
      cpus: 0,
      labels: {},
      logDriver: '',
      logOptions: {},
      stopTimeout: options.stopTimeout ?? 2000,
      health: { path: '/health', port: 3000, status: [[200, 299]], timeout: 15_000, interval: 100, stable: 200 },
    },
    secrets: {},
    beforeStart: [],
    allowOlder: true,
    requireEvidence: [],
  };
}

/** Gives a version a weight on the world's public port. */
export function aSwitch(
  at: Coordinates,
  version: string,
  options: Partial<Omit<SwitchRequest, 'wanted' | 'version'>> & { readonly weight?: number } = {},
): SwitchRequest {
  return {
    version,
    wanted: (deployment) => wanted(at, deployment, version, options.weight ?? 100),
    steps: [],
    stepInterval: 0,
    drainTimeout: 5000,
    keepPrevious: 'running',
    activation: 'auto',
    reason: '',
    ...options,
  };
}

function wanted(
  at: Coordinates,
  deployment: Deployment,
  version: string,
  weight: number,
): { route: Route; plan: TrafficPlan } {
  const current = deployment.traffic?.plan ?? null;
  return {
    route: { listen: [String(at.port)], serverName: ['_'], pathPrefix: '/', tls: null, template: null },
    plan: { targets: shift(current, version, weight), rules: [], sticky: true, mirror: null, maintenance: null },
  };
}

/** The version that answers on a fresh connection; empty when none does. */
export async function servedVersion(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5000) });
    await answer.arrayBuffer();
    return answer.ok ? (answer.headers.get('x-version') ?? '') : '';
  } catch {
    return '';
  }
}
