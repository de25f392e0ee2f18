import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ProxyConfig, Proxy as ProxyPort } from '@cd-actions/shared/delivery/ports';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import type { Target } from '@cd-actions/shared/domain/traffic';
import { ensureNetwork } from '@cd-actions/shared/engine/network';
import { containerProxy } from '@cd-actions/shared/nginx/container-host';
import { localProxy } from '@cd-actions/shared/nginx/local-host';
import Docker from 'dockerode';
import { realClock } from './clock.ts';
import { parts } from './parts.ts';
import { freePort } from './redis.ts';

/** A real Nginx of a test's own, with servers behind it. */
export interface NginxWorld {
  readonly proxy: ProxyPort;
  /** Where the app is served. */
  readonly url: string;
  readonly port: number;
  /** Another port that requests reach. */
  readonly otherPort: number;
  /** Where Nginx finds the test's servers. */
  readonly backendAddress: string;
  readonly root: string;
  /** Runs a shell script where Nginx runs; its standard output. */
  sh(script: string): Promise<string>;
  /** SIGKILL to all of Nginx, then a start as the machine would start it. */
  crash(): Promise<void>;
  /** A second one on the same Nginx, as a later run would make it. */
  another(): ProxyPort;
  close(): Promise<void>;
}

let count = 0;

/** The managed container with the current Nginx, on a network of its own. */
export async function containerWorld(): Promise<NginxWorld> {
  const docker = new Docker({ socketPath: parts.docker?.socket ?? '' });
  const name = `cd-test-nginx-${process.pid}-${++count}`;
  const [port, otherPort] = [await freePort(), await freePort()];
  const root = '/etc/nginx/cd-actions';
  const image = parts.images?.nginx ?? '';
  const another = (): ProxyPort =>
    containerProxy({
      name: 'local',
      docker,
      container: name,
      image,
      network: name,
      ensureNetwork: () => ensureNetwork(docker, 'local', name),
      ports: [port, otherPort],
      clock: realClock,
    });
  const proxy = another();
  await proxy.prepare();
  const container = docker.getContainer(name);
  const network = (await container.inspect()).NetworkSettings.Networks[name];
  return {
    proxy,
    url: `http://127.0.0.1:${port}`,
    port,
    otherPort,
    backendAddress: network?.Gateway ?? '',
    root,
    sh: async (script) => execute('docker', ['exec', name, 'sh', '-c', script]),
    crash: async () => {
      await container.kill({ signal: 'SIGKILL' });
      await container.wait();
      await container.start();
      await answers(port);
    },
    another,
    close: async () => {
      await proxy.close();
      await container.remove({ force: true, v: true });
      await docker.getVolume(`${name}-config`).remove();
      await docker.getNetwork(name).remove();
    },
  };
}

/** The machine's own Nginx program with a configuration, ports and files of the test's own. */
export async function localWorld(): Promise<NginxWorld> {
  const directory = mkdtempSync(join(tmpdir(), 'cd-test-nginx-'));
  chmodSync(directory, 0o755);
  const main = join(directory, 'nginx.conf');
  const root = join(directory, 'cd-actions');
  const binary = parts.nginx?.binary ?? '';
  const [port, otherPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  mkdirSync(join(directory, 'conf.d'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((each) => `${each}_temp_path ${directory}/${each};`)
    .join(' ');
  writeFileSync(
    main,
    `worker_processes 2; pid ${directory}/nginx.pid; error_log ${directory}/error.log warn;
events { worker_connections 1024; }
http { access_log off; ${temporary}
include conf.d/*.conf; # as Debian has it
}\n`,
  );
  const start = async (): Promise<void> => {
    execute(binary, ['-c', main]);
  };
  await start();
  const another = (): ProxyPort =>
    localProxy({ binary, mainConfig: main, configDir: root, clock: realClock, adminPort, accessLog: 'off' });
  const proxy = another();
  await proxy.prepare();
  const master = (): number => Number(readFileSync(join(directory, 'nginx.pid'), 'utf8'));
  return {
    proxy,
    url: `http://127.0.0.1:${port}`,
    port,
    otherPort,
    backendAddress: '127.0.0.1',
    root,
    sh: async (script) => execute('sh', ['-c', script]),
    crash: async () => {
      const workers = execute('sh', ['-c', `cat /proc/${master()}/task/${master()}/children`])
        .trim()
        .split(' ');
      for (const pid of [master(), ...workers.map(Number)]) process.kill(pid, 'SIGKILL');
      await wait(200);
      await start();
      await answers(port);
    },
    another,
    close: async () => {
      await proxy.close();
      const pid = master();
      process.kill(pid, 'SIGTERM');
      // It still writes to the directory while it ends.
      for (let tries = 0; tries < 100 && runs(pid); tries += 1) await wait(20);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function execute(program: string, args: readonly string[]): string {
  const ran = spawnSync(program, args, { encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${ran.stderr || ran.error?.message}`);
  return ran.stdout;
}

async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      await get(`http://127.0.0.1:${port}/`);
      return;
    } catch {
      await wait(50);
    }
  }
  throw new Error(`nothing answers on port ${port}`);
}

/** A server that answers with its version and what it was sent. */
export async function backend(version: string): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.setHeader('X-Version', version);
      response.setHeader('X-Seen', JSON.stringify({ url: request.url, ...request.headers }));
      response.end(version);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Got {
  readonly status: number;
  readonly body: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** One request, on a connection of its own unless an agent is given. */
export function get(
  url: string,
  headers: Record<string, string> = {},
  agent: http.Agent | false = false,
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
    request.on('error', reject);
  });
}

/** A configuration of the app, its servers where the world finds them. */
export function configOf(
  world: Pick<NginxWorld, 'port' | 'backendAddress'>,
  ports: Readonly<Record<string, number>>,
  generation: number,
  targets: readonly Target[],
  more: {
    id?: DeploymentId;
    pathPrefix?: string;
    plan?: Partial<ProxyConfig['plan']>;
    route?: Partial<ProxyConfig['route']>;
  } = {},
): ProxyConfig {
  return {
    id: more.id ?? 'shop@production',
    generation,
    route: {
      listen: [String(world.port)],
      serverName: ['_'],
      pathPrefix: more.pathPrefix ?? '/',
      tls: null,
      template: null,
      ...more.route,
    },
    plan: { targets, rules: [], sticky: true, mirror: null, maintenance: null, ...more.plan },
    pools: Object.entries(ports).map(([version, port]) => ({
      version,
      servers: [{ address: world.backendAddress, port }],
    })),
  };
}

export const all = (version: string): readonly Target[] => [{ version, weight: 100 }];

/** Stages and activates. */
export async function apply(
  proxy: ProxyPort,
  config: ProxyConfig,
  mode: 'auto' | 'instant' | 'reload' = 'auto',
): Promise<{ how: string; milliseconds: number }> {
  return proxy.activate(await proxy.stage(config), mode, new AbortController().signal);
}

/** Clients that keep their connections and send one POST after the other, without a retry. */
export class KeepAliveLoad {
  readonly answers: { readonly sent: number; readonly version: string; readonly status: number }[] = [];
  readonly errors: string[] = [];
  readonly #agent: http.Agent;
  readonly #url: string;
  readonly #clients: Promise<void>[] = [];
  #running = true;

  constructor(url: string, clients: number, pauseMs = 0) {
    this.#url = url;
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: clients });
    for (let each = 0; each < clients; each += 1) this.#clients.push(this.#client(pauseMs));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #client(pauseMs: number): Promise<void> {
    while (this.#running) {
      await this.#post();
      if (pauseMs > 0) await wait(pauseMs);
    }
  }

  #post(): Promise<void> {
    const sent = performance.now();
    return new Promise((resolve) => {
      const request = http.request(this.#url, { method: 'POST', agent: this.#agent }, (response) => {
        response.resume();
        response.on('end', () => {
          const version = String(response.headers['x-version'] ?? '');
          this.answers.push({ sent, version, status: response.statusCode ?? 0 });
          resolve();
        });
        response.on('error', (error) => this.#failed(error, resolve));
      });
      request.on('error', (error) => this.#failed(error, resolve));
      request.end('a body of some bytes');
    });
  }

  #failed(error: Error, resolve: () => void): void {
    this.errors.push(error.message);
    resolve();
  }
}

/** Starts a program that must not keep the test alive. */
export function background(program: string, args: readonly string[]): { stop(): void } {
  const child = spawn(program, args, { stdio: 'ignore' });
  return { stop: () => child.kill() };
}
