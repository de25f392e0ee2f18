import type { Clock, Context, Engine, Proxy as ProxyPort, Registry } from '@cd-actions/shared/delivery/ports';
import type { RegisterRequest } from '@cd-actions/shared/delivery/register';
import { register } from '@cd-actions/shared/delivery/register';
import type { SwitchRequest } from '@cd-actions/shared/delivery/switch';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import { shift, versionsIn } from '@cd-actions/shared/domain/traffic';
import { realClock } from './clock.ts';
import { FakeEngine } from './fake-engine.ts';
import { FakeProxy } from './fake-proxy.ts';
import { FakeRegistry } from './fake-registry.ts';

export const id: DeploymentId = 'shop@production';
const HOSTS = ['a', 'b'] as const;

/** Which call of which port: `registry.write`, `a.proxy.activate`. */
export type Fault = (call: { readonly number: number; readonly part: string; readonly name: string }) => Error | null;

/** Two hosts and a registry in memory. */
export interface FakeWorld {
  readonly registry: FakeRegistry;
  readonly engines: readonly FakeEngine[];
  readonly proxies: readonly FakeProxy[];
  readonly lines: string[];
  /** The parts as one run sees them. `before` may refuse a call, `after` may lose the answer to one that was carried out. */
  context(faults?: { readonly before?: Fault; readonly after?: Fault }): Context & { readonly calls: () => number };
  /** As when a lease that nobody freed has run out. */
  expireLeases(): void;
  /** What is wrong with what users get from each Nginx; empty when each sends them to instances that run. */
  outages(): Promise<readonly string[]>;
  /** What does not agree between registry, hosts and Nginx; empty when all does. */
  disorder(): Promise<readonly string[]>;
}

/** Calls that happen on the side and not as a step of a story. */
const ASIDE = new Set(['close', 'reaches']);
let runs = 0;

export async function fakeWorld(): Promise<FakeWorld> {
  let later = 0;
  const shifted: Clock = { now: () => Date.now() + later, sleep: realClock.sleep };
  const registry = new FakeRegistry(shifted);
  const engines = HOSTS.map((host) => new FakeEngine(host));
  const proxies = HOSTS.map((name) => new FakeProxy({ name }));
  const image = engines[0]?.addImage('shop:1');
  for (const engine of engines.slice(1)) engine.addImage('shop:1', image);
  for (const proxy of proxies) await proxy.prepare();
  const lines: string[] = [];
  const say = (message: string): void => void lines.push(message);

  const context: FakeWorld['context'] = (faults = {}) => {
    let calls = 0;
    const faulty = <T extends object>(port: T, part: string): T =>
      new Proxy(port, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          if (ASIDE.has(String(name))) return member.bind(target) as unknown;
          return async (...args: unknown[]): Promise<unknown> => {
            calls += 1;
            const call = { number: calls, part, name: String(name) };
            const refused = faults.before?.(call);
            if (refused) throw refused;
            const answer = (await Reflect.apply(member, target, args)) as unknown;
            const lost = faults.after?.(call);
            if (lost) throw lost;
            return answer;
          };
        },
      });
    runs += 1;
    return {
      id,
      registry: faulty<Registry>(registry, 'registry'),
      fleet: {
        engines: engines.map((engine) => faulty<Engine>(engine, `${engine.host}.engine`)),
        proxies: proxies.map((proxy) => faulty<ProxyPort>(proxy, `${proxy.name}.proxy`)),
      },
      clock: realClock,
      log: { debug: say, info: say, warning: (line) => say(`warning: ${line}`), group: (_title, work) => work() },
      run: { actor: 'tester', url: 'a test', sha: '', id: `run-${runs}` },
      signal: new AbortController().signal,
      lockWait: 1000,
      calls: () => calls,
    };
  };

  const outages = async (): Promise<readonly string[]> => {
    const problems: string[] = [];
    for (const proxy of proxies) {
      const config = await proxy.lastKnownGood(id);
      for (const version of config ? versionsIn(config.plan) : []) {
        const servers = config?.pools.find((pool) => pool.version === version)?.servers ?? [];
        if (servers.length === 0) problems.push(`${proxy.name}: ${version} has an empty pool`);
        for (const { address } of servers)
          if (!runsAt(engines, proxy.name, version, address))
            problems.push(`${proxy.name}: ${version} at ${address} does not run`);
      }
    }
    return problems;
  };

  const disorder = async (): Promise<readonly string[]> => {
    const deployment = await registry.read(id);
    const problems = [...(await outages())];
    if (deployment.journal) problems.push(`the journal is still in phase ${deployment.journal.phase}`);
    for (const proxy of proxies) {
      const config = await proxy.lastKnownGood(id);
      if (config?.generation !== deployment.traffic?.generation)
        problems.push(
          `${proxy.name} serves generation ${config?.generation}, committed is ${deployment.traffic?.generation}`,
        );
      if (JSON.stringify(config?.plan) !== JSON.stringify(deployment.traffic?.plan))
        problems.push(`${proxy.name} has another plan`);
    }
    const claimed = deployment.releases.flatMap((release) => release.instances.map((instance) => instance.id)).sort();
    const found = engines.flatMap((engine) => [...engine.containers.keys()]).sort();
    if (JSON.stringify(claimed) !== JSON.stringify(found)) problems.push('containers and registry differ');
    return problems;
  };

  const expireLeases = (): void => {
    later += 60_000;
  };
  return { registry, engines, proxies, lines, context, outages, disorder, expireLeases };
}

function runsAt(engines: readonly FakeEngine[], host: string, version: string, address: string): boolean {
  return engines
    .filter((engine) => engine.host === host)
    .flatMap((engine) => [...engine.containers.values()])
    .some((each) => each.running && each.release.version === version && each.instance.address === address);
}

export function aFakeRegistration(version: string, replicas = 1): RegisterRequest {
  return {
    version,
    spec: {
      image: 'shop:1',
      port: 3000,
      replicas,
      env: { VERSION: version },
      secretEnv: [],
      command: [],
      volumes: [],
      networks: [],
      memory: 0,
      cpus: 0,
      labels: {},
      logDriver: '',
      logOptions: {},
      stopTimeout: 0,
      health: { path: '/', port: 3000, status: [[200, 299]], timeout: 50, interval: 1, stable: 0 },
    },
    secrets: {},
    beforeStart: [],
    allowOlder: true,
    requireEvidence: [],
  };
}

export function aFakeSwitch(version: string, options: Partial<SwitchRequest> = {}): SwitchRequest {
  return {
    version,
    wanted: ({ traffic }) => ({
      route: { listen: ['80'], serverName: ['_'], pathPrefix: '/', tls: null, template: null },
      plan: {
        targets: shift(traffic?.plan ?? null, version, 100),
        rules: [],
        sticky: true,
        mirror: null,
        maintenance: null,
      },
    }),
    steps: [],
    stepInterval: 0,
    drainTimeout: 20,
    keepPrevious: 'running',
    activation: 'auto',
    reason: '',
    ...options,
  };
}

/** Two versions that were live and verified; `live` has the traffic. */
export async function delivered(world: FakeWorld, versions: readonly string[], live: string): Promise<void> {
  const ctx = world.context();
  for (const version of versions) {
    await register(ctx, aFakeRegistration(version));
    await switchTraffic(ctx, aFakeSwitch(version));
    await recordVerification(ctx, version, 'pass', '');
  }
  await switchTraffic(ctx, aFakeSwitch(live));
}
