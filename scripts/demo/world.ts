import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import type { Settings } from './settings.ts';

const MARK = 'cd-actions.demo';

/** The demo's own corner of the Docker host: a Redis, a managed Nginx and an app, under names that nothing else has. */
export class World {
  readonly docker: Docker;
  readonly settings: Settings;
  readonly app = 'cd-demo';
  environment = '';
  /** The public port, on loopback. */
  port = 0;
  redisUrl = '';
  directory = '';
  readonly #images = new Set<string>();
  #closed = false;

  constructor(settings: Settings) {
    this.settings = settings;
    this.docker = new Docker({ socketPath: settings.socket });
  }

  get publicUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get nginx(): string {
    return `cd-demo-nginx-${this.port}`;
  }

  async open(): Promise<void> {
    this.port = await freePort();
    this.environment = `demo-${this.port}`;
    this.directory = await mkdtemp(join(tmpdir(), 'cd-actions-demo-'));
    const redisPort = await freePort();
    const redis = await this.docker.createContainer({
      name: `cd-demo-redis-${this.port}`,
      Image: this.settings.images.redis,
      Labels: { [MARK]: this.environment },
      ExposedPorts: { '6379/tcp': {} },
      HostConfig: { PortBindings: { '6379/tcp': [{ HostIp: '127.0.0.1', HostPort: String(redisPort) }] } },
    });
    await redis.start();
    this.redisUrl = `redis://127.0.0.1:${redisPort}`;
  }

  /** The inputs that every deployment action has. */
  get inputs(): Readonly<Record<string, string>> {
    return {
      app: this.app,
      environment: this.environment,
      'redis-url': this.redisUrl,
      'nginx-container': this.nginx,
      'nginx-image': this.settings.images.nginx,
      'nginx-ports': String(this.port),
    };
  }

  /** Remembers an image, to be removed at the end. */
  built(tag: string): void {
    this.#images.add(tag);
  }

  /** Removes what the demo made and nothing else. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await rm(this.directory || '/nonexistent', { recursive: true, force: true });
    if (this.settings.keep) return;
    const containers = [
      ...(await this.#labelled(`cd-actions.deployment=${this.app}@${this.environment}`)),
      ...(await this.#labelled(`${MARK}=${this.environment}`)),
      this.nginx,
    ];
    for (const container of containers)
      await quietly(this.docker.getContainer(container).remove({ force: true, v: true }));
    await quietly(this.docker.getVolume(`${this.nginx}-config`).remove());
    for (const image of this.#images) await quietly(this.docker.getImage(image).remove({ force: true }));
    await this.#removeIdleNetwork();
  }

  async #labelled(label: string): Promise<readonly string[]> {
    const found = await this.docker.listContainers({ all: true, filters: { label: [label] } });
    return found.map((each) => each.Id);
  }

  /** The network is shared with real deployments of this host: Docker refuses to remove it while anything uses it. */
  async #removeIdleNetwork(): Promise<void> {
    await quietly(this.docker.getNetwork('cd-actions').remove());
  }
}

async function quietly(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('There is no free port.');
  return address.port;
}
