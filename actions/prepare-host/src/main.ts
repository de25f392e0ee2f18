import type { Log, Proxy } from '@cd-actions/shared/delivery/ports';
import { formatSize, MIN_GRACEFUL_NGINX } from '@cd-actions/shared/domain/host';
import type { Inputs } from './inputs.ts';

/** What preparing needs of one Docker host. */
export interface PreparableHost {
  readonly host: string;
  ensureNetwork(): Promise<void>;
  /** `20.10.24` and the like. */
  engineVersion(): Promise<string>;
  /** Free bytes where Docker keeps its data; null when it cannot be known from here. */
  freeDisk(): Promise<number | null>;
}

export interface Dependencies {
  readonly hosts: readonly PreparableHost[];
  readonly proxies: readonly Proxy[];
  /** Whether a Redis answers at `redis-url`. */
  readonly redisAnswers: () => Promise<boolean>;
  /** Starts the managed Redis, on the first host, and returns its address. */
  readonly startRedis: () => Promise<string>;
  readonly log: Log;
}

export interface Prepared {
  readonly nginxVersion: string;
  readonly redisUrl: string;
  readonly ready: boolean;
  readonly warnings: readonly string[];
}

/** Brings bare Docker hosts to the point where the other actions work. Everything that is there already is left as it is. */
export async function main(inputs: Inputs, deps: Dependencies): Promise<Prepared> {
  const warnings: string[] = [];
  for (const host of deps.hosts) {
    await deps.log.group(`Host ${host.host}`, () => prepareHost(host, inputs, warnings, deps.log));
  }
  const versions = await Promise.all(deps.proxies.map((proxy) => prepareNginx(proxy, warnings, deps.log)));
  const redisUrl = await prepareRedis(inputs, deps);
  const ready = redisUrl !== '' && (await deps.redisAnswers());
  if (!ready)
    warnings.push(
      'No Redis answers: start one, or let `redis: managed` start it, and give its address in `redis-url`.',
    );
  for (const warning of warnings) deps.log.warning(warning);
  return { nginxVersion: versions[0] ?? '', redisUrl, ready, warnings };
}

async function prepareHost(host: PreparableHost, inputs: Inputs, warnings: string[], log: Log): Promise<void> {
  await host.ensureNetwork();
  const [version, free] = await Promise.all([host.engineVersion(), host.freeDisk()]);
  log.info(`Docker ${version}, ${free === null ? 'free disk unknown' : `${formatSize(free)} free`}`);
  if (Number(version.split('.')[0]) < 20) {
    warnings.push(`${host.host} runs Docker ${version}; the suite is tested with 20.10 and newer.`);
  }
  if (free !== null && free < inputs['min-free-disk']) {
    warnings.push(
      `${host.host} has ${formatSize(free)} of disk left, less than ${formatSize(inputs['min-free-disk'])}.`,
    );
  }
}

async function prepareNginx(proxy: Proxy, warnings: string[], log: Log): Promise<string> {
  const { version, instant, gracefulReload } = await proxy.prepare();
  log.info(`${proxy.name}: Nginx ${version}, traffic moves ${instant ? 'without a reload' : 'by reload'}`);
  if (!gracefulReload) {
    warnings.push(
      `${proxy.name} runs Nginx ${version}: a reload resets keep-alive clients (about 8 of 64 measured). From ${MIN_GRACEFUL_NGINX} on it does not.`,
    );
  }
  if (!instant) warnings.push(`${proxy.name} has no njs 0.8 or newer, so moving traffic takes a reload.`);
  return version;
}

async function prepareRedis(inputs: Inputs, deps: Dependencies): Promise<string> {
  if (inputs.redis === 'none') return inputs['redis-url'];
  if (inputs.redis === 'auto' && (await deps.redisAnswers())) return inputs['redis-url'];
  return deps.startRedis();
}
