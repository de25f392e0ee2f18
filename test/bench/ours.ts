/** A deployment of two versions on real parts, moved by the real stories. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Moved } from '@cd-actions/shared/delivery/move';
import type { Context, Proxy as ProxyPort } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { type RolledBack, rollback } from '@cd-actions/shared/delivery/rollback';
import { type SwitchRequest, switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import type { Target, TrafficPlan } from '@cd-actions/shared/domain/traffic';
import { localProxy } from '@cd-actions/shared/nginx/local-host';
import { realClock } from '../support/clock.ts';
import { aRegistration, aSwitch, type DeliveryWorld, deliveryWorld, memoryLog } from '../support/delivery-world.ts';
import { parts } from '../support/parts.ts';
import { freePort } from '../support/redis.ts';
import { shell } from './shell.ts';

/** The header by which a client of the bench chooses its version, where a plan has rules for it. */
export const CHOOSE = 'X-Bench';

export interface Ours extends Watch {
  readonly world: DeliveryWorld;
  readonly ctx: Context;
  readonly logged: readonly string[];
  /** The Nginx itself, past the port that Docker publishes. */
  readonly url: string;
  /** The same application on the same network without any proxy, which nobody moves or restarts: what the machine itself holds up. */
  readonly control: string;
  /** `address:port` of the instance of a version. */
  server(version: string): Promise<string>;
  flip(version: string, options?: Flip): Promise<Moved>;
  back(version: string, drainTimeout?: number): Promise<RolledBack>;
  workers(): Promise<Workers>;
  close(): Promise<void>;
}

/** Told of every activation as it begins, and as it is acknowledged: with the versions at weight 0, and the milliseconds it took. */
export interface Watch {
  onBegin: () => void;
  onAcknowledged: (without: readonly string[], milliseconds: number) => unknown;
}

export type Flip = Partial<
  Pick<SwitchRequest, 'steps' | 'stepInterval' | 'drainTimeout' | 'activation' | 'keepPrevious'>
> & {
  /** Default: everything to the version. */
  readonly targets?: readonly Target[];
  /** Clients that send `X-Bench: <version>` get that version, whatever its weight. */
  readonly choosable?: boolean;
};

/** Processes of one Nginx that answer requests, and old ones that finish what they have. */
export interface Workers {
  readonly serving: number;
  readonly leaving: number;
}

/** The managed container with the current Nginx; v1 live, v2 warm, both verified. */
export async function containerDeployment(): Promise<Ours> {
  const world = await deliveryWorld('bench');
  const logged: string[] = [];
  const ctx = await world.context({ log: memoryLog(logged) });
  return start(world, ctx, logged, {
    url: async () => {
      const { NetworkSettings } = await world.docker.getContainer(world.at.nginx).inspect();
      return `http://${NetworkSettings.Networks[world.at.network]?.IPAddress}:${world.at.port}`;
    },
    workers: () => containerWorkers(world.at.nginx),
    close: async () => undefined,
  });
}

/** The machine's own Nginx program, with a configuration and files of the bench's own. */
export async function hostDeployment(): Promise<Ours> {
  const world = await deliveryWorld('bench-host');
  const host = await hostNginx();
  const logged: string[] = [];
  const base = await world.context({ log: memoryLog(logged) });
  const ctx: Context = { ...base, fleet: { engines: base.fleet.engines, proxies: [host.proxy] } };
  return start(world, ctx, logged, {
    url: async () => `http://127.0.0.1:${world.at.port}`,
    workers: host.workers,
    close: host.close,
  });
}

interface Site {
  url(): Promise<string>;
  workers(): Promise<Workers>;
  close(): Promise<void>;
}

function watched(proxy: ProxyPort, watch: Watch): ProxyPort {
  const activate: ProxyPort['activate'] = async (staged, mode, signal) => {
    watch.onBegin();
    const activated = await proxy.activate(staged, mode, signal);
    const { targets } = staged.config.plan;
    const without = ['v1', 'v2'].filter(
      (version) => !targets.some((each) => each.version === version && each.weight > 0),
    );
    if (activated.how !== 'nothing') watch.onAcknowledged(without, activated.milliseconds);
    return activated;
  };
  return new Proxy(proxy, {
    get: (target, key) => {
      const value: unknown = key === 'activate' ? activate : Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function start(world: DeliveryWorld, base: Context, logged: readonly string[], site: Site): Promise<Ours> {
  const watch: Watch = { onBegin: () => undefined, onAcknowledged: () => undefined };
  const proxies = base.fleet.proxies.map((proxy) => watched(proxy, watch));
  const ctx: Context = { ...base, fleet: { engines: base.fleet.engines, proxies } };
  const bystander = `cd-bench-control-${world.at.network}`;
  const close = async (): Promise<void> => {
    await shell('docker', ['rm', '-f', '-v', bystander]).catch(() => undefined);
    await world.close();
    await site.close();
  };
  try {
    for (const proxy of ctx.fleet.proxies) await proxy.prepare();
    for (const version of ['v1', 'v2']) {
      await register(ctx, aRegistration(version));
      await switchTraffic(ctx, aSwitch(world.at, version));
      await recordVerification(ctx, version, 'pass', 'bench');
    }
    await switchTraffic(ctx, aSwitch(world.at, 'v1'));
    const url = await site.url();
    const control = await startControl(world, bystander);
    const flip = (version: string, options: Flip = {}): Promise<Moved> =>
      switchTraffic(ctx, flipTo(world, version, options));
    const back = (toVersion: string, drainTimeout = 10_000): Promise<RolledBack> =>
      rollback(ctx, { toVersion, reason: 'bench', drainTimeout, force: false });
    const server = async (version: string): Promise<string> => {
      const { releases } = await ctx.registry.read(ctx.id);
      const instance = releases.find((release) => release.version === version)?.instances[0];
      return `${instance?.address}:${instance?.port}`;
    };
    return Object.assign(watch, { world, ctx, logged, url, control, server, flip, back, workers: site.workers, close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function startControl({ at, docker }: DeliveryWorld, name: string): Promise<string> {
  await shell('docker', ['run', '-d', '--name', name, '--network', at.network, parts.images?.app ?? '']);
  const { NetworkSettings } = await docker.getContainer(name).inspect();
  return `http://${NetworkSettings.Networks[at.network]?.IPAddress}:3000`;
}

function flipTo(world: DeliveryWorld, version: string, { targets, choosable, ...options }: Flip): SwitchRequest {
  const plan: TrafficPlan = {
    targets: targets ?? [{ version, weight: 100 }],
    rules: choosable ? ['v1', 'v2'].map((each) => ({ kind: 'header', name: CHOOSE, value: each, version: each })) : [],
    sticky: true,
    mirror: null,
    maintenance: null,
  };
  const route = { listen: [String(world.at.port)], serverName: ['_'], pathPrefix: '/', tls: null, template: null };
  return { ...aSwitch(world.at, version, { drainTimeout: 10_000, ...options }), wanted: () => ({ route, plan }) };
}

/** From the process list that the engine shows of a container. */
export async function containerWorkers(container: string): Promise<Workers> {
  return countWorkers(await shell('docker', ['top', container, '-eo', 'pid,args']));
}

function countWorkers(listing: string): Workers {
  const workers = listing.split('\n').filter((line) => line.includes('nginx: worker process'));
  const leaving = workers.filter((line) => line.includes('shutting down')).length;
  return { serving: workers.length - leaving, leaving };
}

async function hostNginx(): Promise<{ proxy: ProxyPort; workers(): Promise<Workers>; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'cd-bench-nginx-'));
  const main = join(directory, 'nginx.conf');
  const binary = parts.nginx?.binary ?? '';
  const root = join(directory, 'cd-actions');
  mkdirSync(root);
  writeFileSync(join(root, 'http.conf'), '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    main,
    `user root; worker_processes auto; pid ${directory}/nginx.pid; error_log ${directory}/error.log warn;
worker_shutdown_timeout 10m;
events { worker_connections 4096; }
http { access_log off; ${temporary.map((each) => `${each}_temp_path ${directory}/${each};`).join(' ')}
include ${root}/http.conf;
}\n`,
  );
  await shell(binary, ['-c', main]);
  const master = (): Promise<string> => shell('cat', [`${directory}/nginx.pid`]);
  const adminPort = await freePort();
  const proxy = localProxy({
    binary,
    mainConfig: main,
    configDir: root,
    clock: realClock,
    adminPort,
    accessLog: 'off',
  });
  return {
    proxy,
    workers: async () => countWorkers(await shell('ps', ['--ppid', (await master()).trim(), '-o', 'args'])),
    close: async () => {
      await proxy.close();
      process.kill(Number(await master()), 'SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
