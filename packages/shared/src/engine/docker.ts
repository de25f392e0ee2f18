import { randomBytes, randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import type Dockerode from 'dockerode';
import type { Clock, Diagnosis, Engine, FoundInstance, ImageFacts } from '../delivery/ports.ts';
import { messageOf, UserError } from '../domain/errors.ts';
import type { DeploymentId } from '../domain/names.ts';
import type { Instance, InstanceSpec, Release } from '../domain/release.ts';
import {
  type Addressing,
  containerName,
  instanceOptions,
  LABEL,
  type Place,
  readDeploymentLabel,
  readReleaseLabel,
  seconds,
} from './container.ts';
import { type AuthLookup, configAuth, readDockerConfig } from './docker-config.ts';
import { asked, dockerFault, statusOf } from './faults.ts';
import { findImage } from './images.ts';
import { drawAddress, ensureNetwork, joinNetworks } from './network.ts';
import { removeLeftovers, runOnce } from './once.ts';
import { demultiplex, inert, linesOf } from './text.ts';

export interface DockerEngineOptions {
  /** As given in `hosts`; null is the default engine, called `local`. */
  readonly host: string | null;
  readonly docker: Dockerode;
  /** The managed bridge network; created when absent. */
  readonly network: string;
  /** `network`: Nginx is on the same Docker network. `published`: instances are reached at a port of the host. */
  readonly addressing: 'network' | 'published';
  /** The host's address for `published`; 127.0.0.1 when absent. */
  readonly advertise?: string;
  /** Credentials for pulls; the user's Docker config when absent. */
  readonly registryAuth?: AuthLookup;
  readonly clock: Clock;
  /** Releases what the connection holds, on `close`. */
  readonly onClose?: () => void;
}

/** Ports of the host for published instances, below the range from which the kernel hands out ports by itself. */
const HOST_PORTS = [20_000, 30_000] as const;
const PLACE_ATTEMPTS = 5;
/** What Docker says when an address or a port has been given to somebody else. */
const PLACE_TAKEN = /address already in use|port is already allocated/i;
/** Log lines shown of a container that failed. */
const LOG_LINES = 50;
/** Milliseconds to wait for Docker to tell a started container's address. */
const ADDRESS_WAIT = 2_000;

/** One Docker host through its Engine API. */
export function dockerEngine(options: DockerEngineOptions): Engine {
  return new DockerEngine(options);
}

class DockerEngine implements Engine {
  readonly host: string;
  private readonly docker: Dockerode;
  private readonly options: DockerEngineOptions;
  private readonly auth: AuthLookup;

  constructor(options: DockerEngineOptions) {
    this.host = options.host ?? 'local';
    this.docker = options.docker;
    this.options = options;
    this.auth = options.registryAuth ?? ((registry) => configAuth(readDockerConfig(process.env))(registry));
  }

  image(reference: string): Promise<ImageFacts> {
    return findImage(this.docker, this.host, reference, this.auth);
  }

  async start(
    id: DeploymentId,
    release: Release,
    index: number,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Instance> {
    await ensureNetwork(this.docker, this.host, this.options.network);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.startAt(await this.drawPlace(), id, release, index, secrets);
      } catch (error) {
        if (attempt >= PLACE_ATTEMPTS || !PLACE_TAKEN.test(messageOf(error))) throw error;
      }
    }
  }

  /** An address or a port that the container keeps through every restart: what Docker hands out anew would leave Nginx with the old. */
  private async drawPlace(): Promise<Place> {
    if (this.options.addressing === 'published') return { hostPort: randomInt(...HOST_PORTS) };
    const address = await drawAddress(this.docker, this.host, this.options.network);
    return address === undefined ? {} : { address };
  }

  private async startAt(
    place: Place,
    id: DeploymentId,
    release: Release,
    index: number,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Instance> {
    const { network } = this.options;
    const create = instanceOptions({ id, release, index, secrets, network, addressing: this.addressing(), ...place });
    const container = await this.create(create, (suffix) => containerName(id, release.version, index, suffix));
    try {
      await joinNetworks(this.docker, this.host, container, release.spec.networks);
      await asked(this.host, `start a container of ${release.image}`, () => container.start(), {
        remedy: 'Check `command`, `volumes` and the image.',
      });
      return await this.instance(container, release.spec.port);
    } catch (error) {
      await container.remove({ force: true, v: true }).catch(() => undefined);
      throw error;
    }
  }

  /** A name may be taken by chance: then another is drawn. */
  private async create(
    options: Dockerode.ContainerCreateOptions,
    name: (suffix: string) => string,
  ): Promise<Dockerode.Container> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.docker.createContainer({ ...options, name: name(randomBytes(2).toString('hex')) });
      } catch (error) {
        if (statusOf(error) === 409 && attempt < 5) continue;
        throw dockerFault(this.host, `create a container of ${options.Image}`, error);
      }
    }
  }

  async restart(instance: Instance): Promise<Instance> {
    const container = this.docker.getContainer(instance.id);
    await asked(this.host, `start ${instance.name} again`, () => container.start(), {
      fine: [304],
      remedy: 'The container is gone or cannot start: register the version again.',
    });
    return this.instance(container, instance.port);
  }

  async stop(instance: Instance, timeout: number): Promise<void> {
    const container = this.docker.getContainer(instance.id);
    await asked(this.host, `stop ${instance.name}`, () => container.stop({ t: seconds(timeout) }), {
      fine: [304, 404],
    });
  }

  async remove(instance: Instance, timeout: number): Promise<void> {
    await this.stop(instance, timeout);
    const container = this.docker.getContainer(instance.id);
    // 409: somebody else is removing it already.
    await asked(this.host, `remove ${instance.name}`, () => container.remove({ force: true, v: true }), {
      fine: [404, 409],
    });
  }

  async find(id: DeploymentId): Promise<readonly FoundInstance[]> {
    const list = await asked(this.host, 'list containers', () =>
      this.docker.listContainers({ all: true, filters: { label: [`${LABEL.deployment}=${id}`] } }),
    );
    // Docker compares the label whole; what decides whose containers are removed is checked once more here.
    return (list ?? [])
      .filter((info) => readDeploymentLabel(info.Labels[LABEL.deployment]) === id)
      .map((info) => this.found(id, info));
  }

  private found(id: DeploymentId, info: Dockerode.ContainerInfo): FoundInstance {
    const release = readReleaseLabel(info.Labels[LABEL.release]);
    const port = release?.spec.port ?? info.Ports[0]?.PrivatePort ?? 0;
    const published = info.Ports.find((each) => each.PrivatePort === port && each.PublicPort !== undefined);
    const onNetwork = info.NetworkSettings?.Networks[this.options.network]?.IPAddress ?? '';
    const where =
      this.options.addressing === 'published'
        ? { address: published ? this.advertised() : '', port: published?.PublicPort ?? port }
        : { address: onNetwork, port };
    return {
      instance: { id: info.Id, name: (info.Names[0] ?? '').replace(/^\//, ''), host: this.host, ...where },
      id,
      version: info.Labels[LABEL.version] ?? '',
      running: info.State === 'running',
      release,
    };
  }

  async diagnose(instance: Instance): Promise<Diagnosis> {
    const container = this.docker.getContainer(instance.id);
    const info = await asked(this.host, `inspect ${instance.name}`, () => container.inspect(), { fine: [404] });
    if (!info)
      return { name: instance.name, state: 'removed', restarts: 0, exitCode: null, outOfMemory: false, logs: '' };
    const { State: state } = info;
    return {
      name: instance.name,
      state: state.Status,
      restarts: info.RestartCount,
      exitCode: state.Running && !state.Restarting ? null : state.ExitCode,
      outOfMemory: state.OOMKilled,
      logs: await lastLogs(container, info.Config.Tty),
    };
  }

  runOnce(
    id: DeploymentId,
    spec: InstanceSpec,
    command: readonly string[],
    secrets: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ exitCode: number; output: string }> {
    const { docker, host } = this;
    return runOnce({ docker, host, network: this.options.network }, { id, spec, command, secrets, signal });
  }

  sweep(id: DeploymentId): Promise<void> {
    const { docker, host } = this;
    return removeLeftovers({ docker, host }, id);
  }

  async close(): Promise<void> {
    this.options.onClose?.();
  }

  private addressing(): Addressing {
    if (this.options.addressing === 'network') return { kind: 'network' };
    // Docker binds to addresses only; a host that is advertised by name is published on all of its addresses.
    return { kind: 'published', bind: isIP(this.advertised()) ? this.advertised() : '0.0.0.0' };
  }

  private advertised(): string {
    return this.options.advertise ?? '127.0.0.1';
  }

  /** The instance with its address. A container that ends at once has none; it stays empty and the health check tells why. */
  private async instance(container: Dockerode.Container, targetPort: number): Promise<Instance> {
    const { clock, network, addressing } = this.options;
    const deadline = clock.now() + ADDRESS_WAIT;
    for (;;) {
      const info = await asked(this.host, 'inspect a container', () => container.inspect());
      if (!info)
        throw new UserError('A container vanished while it started.', 'Look for what removes containers there.');
      const declared = readReleaseLabel(info.Config.Labels[LABEL.release])?.spec.port ?? targetPort;
      const published = info.NetworkSettings.Ports?.[`${declared}/tcp`]?.[0];
      const base = { id: info.Id, name: info.Name.replace(/^\//, ''), host: this.host };
      const found =
        addressing === 'published'
          ? { ...base, address: published ? this.advertised() : '', port: Number(published?.HostPort ?? declared) }
          : { ...base, address: info.NetworkSettings.Networks[network]?.IPAddress ?? '', port: declared };
      if (found.address !== '' || !info.State.Running || clock.now() >= deadline) return found;
      await clock.sleep(50);
    }
  }
}

async function lastLogs(container: Dockerode.Container, tty: boolean): Promise<string> {
  try {
    const log = await container.logs({ stdout: true, stderr: true, tail: LOG_LINES, follow: false });
    return linesOf(demultiplex(log, tty)).slice(-LOG_LINES).map(inert).join('\n');
  } catch (error) {
    return `(its log cannot be read: ${(error as Error).message.trim()})`;
  }
}
