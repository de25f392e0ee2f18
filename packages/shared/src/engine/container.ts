import type Dockerode from 'dockerode';
import { UserError } from '../domain/errors.ts';
import { type DeploymentId, deploymentId } from '../domain/names.ts';
import type { InstanceSpec, Release } from '../domain/release.ts';

/** The labels that say on the host itself what runs there. */
export const LABEL = {
  managed: 'cd-actions.managed',
  deployment: 'cd-actions.deployment',
  version: 'cd-actions.version',
  release: 'cd-actions.release',
  /** The deployment that a one-off command belongs to: never `deployment`, which counts as an instance. */
  once: 'cd-actions.once',
} as const;

/** The Docker network on which Nginx reaches the instances, unless another is chosen. */
export const DEFAULT_NETWORK = 'cd-actions';

/** Bytes of the release's description in a label. Docker itself sets no bound, but every `docker ps` carries it. */
const RELEASE_LABEL_LIMIT = 262_144;

/** Where an instance is reached: on the Docker network, or at a published port of `bind` known to others as `address`. */
export type Addressing = { readonly kind: 'network' } | { readonly kind: 'published'; readonly bind: string };

/** Where an instance will always be found; Docker chooses what is absent. */
export interface Place {
  /** On the managed network. */
  readonly address?: string;
  /** On the host, when published. */
  readonly hostPort?: number;
}

export interface ContainerPlan extends Place {
  readonly id: DeploymentId;
  readonly release: Release;
  readonly index: number;
  readonly secrets: Readonly<Record<string, string>>;
  readonly network: string;
  readonly addressing: Addressing;
}

/** `<app>-<environment>-<version>-<index>-<suffix>`, within Docker's grammar `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. */
export function containerName(id: DeploymentId, version: string, index: number, suffix: string): string {
  return `${id.replace('@', '-')}-${version.slice(0, 63)}-${index}-${suffix}`.replace(/[^a-zA-Z0-9_.-]/g, '-');
}

/** The Engine API's description of one instance. @throws UserError when a secret's value is missing or the release is too large. */
export function instanceOptions(plan: ContainerPlan): Dockerode.ContainerCreateOptions {
  const { release } = plan;
  const { spec } = release;
  const port = `${spec.port}/tcp`;
  const published = plan.addressing.kind === 'published' ? plan.addressing : null;
  if (published && spec.health.port !== spec.port)
    throw new UserError(
      `The health check's port ${spec.health.port} is not the port ${spec.port}, and instances here are reached at one published port.`,
      'Answer the health check on `port`, or let Nginx reach the instances on the Docker network.',
    );
  return {
    ...commonOptions(spec, release.imageId, plan.secrets, plan.network, plan.address),
    ...(spec.command.length > 0 ? { Cmd: [...spec.command] } : {}),
    Labels: {
      ...spec.labels,
      'org.opencontainers.image.version': release.version,
      [LABEL.managed]: 'true',
      [LABEL.deployment]: plan.id,
      [LABEL.version]: release.version,
      [LABEL.release]: releaseLabel(release),
    },
    ExposedPorts: { [port]: {} },
    StopTimeout: seconds(spec.stopTimeout),
    HostConfig: {
      ...commonHostConfig(spec, plan.network),
      ...(published
        ? { PortBindings: { [port]: [{ HostIp: published.bind, HostPort: String(plan.hostPort ?? '') }] } }
        : {}),
      RestartPolicy: { Name: 'unless-stopped' },
    },
  };
}

/** The Engine API's description of a command that runs once. */
export function onceOptions(
  id: DeploymentId,
  spec: InstanceSpec,
  command: readonly string[],
  secrets: Readonly<Record<string, string>>,
  network: string,
): Dockerode.ContainerCreateOptions {
  return {
    ...commonOptions(spec, spec.image, secrets, network),
    Cmd: [...command],
    Labels: { ...spec.labels, [LABEL.managed]: 'true', [LABEL.once]: id },
    HostConfig: { ...commonHostConfig(spec, network), RestartPolicy: { Name: 'no' } },
  };
}

function commonOptions(
  spec: InstanceSpec,
  image: string,
  secrets: Readonly<Record<string, string>>,
  network: string,
  address?: string,
): Dockerode.ContainerCreateOptions {
  return {
    Image: image,
    Env: Object.entries({ ...spec.env, ...chosenSecrets(spec, secrets) }).map(([name, value]) => `${name}=${value}`),
    NetworkingConfig: {
      EndpointsConfig: { [network]: address === undefined ? {} : { IPAMConfig: { IPv4Address: address } } },
    },
  };
}

function chosenSecrets(spec: InstanceSpec, secrets: Readonly<Record<string, string>>): Record<string, string> {
  const missing = spec.secretEnv.filter((name) => !Object.hasOwn(secrets, name));
  if (missing.length > 0)
    throw new UserError(
      `The values of these secrets are not known here: ${missing.join(', ')}.`,
      'Give them again in `secret-env`: the suite keeps only their names.',
    );
  return Object.fromEntries(spec.secretEnv.map((name) => [name, secrets[name] ?? '']));
}

function commonHostConfig(spec: InstanceSpec, network: string): Dockerode.HostConfig {
  return {
    NetworkMode: network,
    Init: true,
    ...(spec.volumes.length > 0 ? { Binds: [...spec.volumes] } : {}),
    ...(spec.memory > 0 ? { Memory: spec.memory } : {}),
    ...(spec.cpus > 0 ? { NanoCpus: Math.round(spec.cpus * 1e9) } : {}),
    LogConfig: logConfig(spec),
  };
}

/** Docker's own default, json-file, never rotates: a busy container fills the disk. */
function logConfig(spec: InstanceSpec): Dockerode.HostConfig['LogConfig'] {
  const driver = spec.logDriver === '' ? 'json-file' : spec.logDriver;
  const rotation = driver === 'json-file' ? { 'max-size': '10m', 'max-file': '3' } : {};
  return { Type: driver, Config: { ...rotation, ...spec.logOptions } };
}

/** Docker counts whole seconds; never less than asked for. */
export function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}

function releaseLabel(release: Release): string {
  const text = JSON.stringify({ ...release, instances: [] });
  const bytes = Buffer.byteLength(text);
  if (bytes > RELEASE_LABEL_LIMIT)
    throw new UserError(
      `The description of release ${release.version} takes ${bytes} bytes; a container's label may take ${RELEASE_LABEL_LIMIT}.`,
      'Shorten `env` and `labels`, or mount large configuration as a file through `volumes`.',
    );
  return text;
}

/** The release that a container's label describes; null when it is not one that this suite can read. */
export function readReleaseLabel(text: string | undefined): Release | null {
  if (!text) return null;
  try {
    const value = JSON.parse(text) as Partial<Release> | null;
    const sound = typeof value?.version === 'string' && typeof value.imageId === 'string' && isSpec(value.spec);
    return sound ? (value as Release) : null;
  } catch {
    return null;
  }
}

function isSpec(spec: Partial<InstanceSpec> | undefined): boolean {
  return typeof spec?.port === 'number' && typeof spec.replicas === 'number' && typeof spec.health === 'object';
}

/** The deployment of a label; null when it is none. */
export function readDeploymentLabel(text: string | undefined): DeploymentId | null {
  const match = /^([a-z0-9-]{1,40})@([a-z0-9-]{1,40})$/.exec(text ?? '');
  return match ? deploymentId(match[1] ?? '', match[2] ?? '') : null;
}
