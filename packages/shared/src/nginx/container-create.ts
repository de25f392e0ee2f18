import { messageOf, UnavailableError, UserError } from '../domain/errors.ts';
import type { ContainerInfo, Docker } from './docker.ts';
import { quote } from './host.ts';
import { layout } from './layout.ts';

/** The managed container, as it is to be. */
export interface ManagedContainer {
  readonly docker: Docker;
  readonly container: string;
  readonly image: string;
  readonly network: string;
  /** Makes the network, which the instances share, unless it is there. */
  readonly ensureNetwork: () => Promise<void>;
  readonly root: string;
  readonly ports: readonly number[];
  /** A container that is there already has to publish the ports; without it only a `listen` on one that is not published is refused. */
  readonly insistOnPorts?: boolean;
}

/** Creates and starts the container if it is absent, starts it if it is stopped. Its ports and network are checked, never changed. */
export async function ensureContainer(managed: ManagedContainer): Promise<void> {
  const { docker, container } = managed;
  const found = await inspect(managed);
  if (found === null) {
    await managed.ensureNetwork();
    await ensureImage(docker, managed.image);
    await create(managed);
  } else checkFound(managed, found);
  if (!found?.State.Running) {
    await start(managed).catch(async (error: unknown) => {
      // One that never ran is in the way of the next try, which may be given other ports.
      if (found === null)
        await docker
          .getContainer(container)
          .remove({ force: true })
          .catch(() => undefined);
      throw error;
    });
  }
  const after = await docker.getContainer(container).inspect();
  if (!after.State.Running)
    throw new UserError(`The Nginx container ${container} does not stay up; \`docker logs ${container}\` says why.`);
}

/** The ports that the container publishes, of those that Nginx can listen on. */
export async function publishedPorts(managed: ManagedContainer): Promise<ReadonlySet<number>> {
  const found = await inspect(managed);
  if (found === null)
    throw new UserError(`There is no Nginx container ${managed.container}.`, 'Run prepare-host first.');
  if (found.HostConfig.NetworkMode === 'host') return new Set(Array.from({ length: 65_536 }, (_, port) => port));
  return published(found);
}

function published(found: ContainerInfo): ReadonlySet<number> {
  const bindings = (found.HostConfig.PortBindings ?? {}) as Readonly<Record<string, unknown>>;
  return new Set(Object.keys(bindings).map((port) => Number.parseInt(port, 10)));
}

async function inspect({ docker, container }: ManagedContainer): Promise<ContainerInfo | null> {
  try {
    return await docker.getContainer(container).inspect();
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw new UnavailableError('Docker', `Docker does not answer: ${messageOf(error)}`, { cause: error });
  }
}

function checkFound(managed: ManagedContainer, found: ContainerInfo): void {
  const anew = `Remove it (\`docker rm -f ${managed.container}\`; its configuration stays in its volume) and run prepare-host again.`;
  if (found.Config.Labels['cd-actions.managed'] !== 'true')
    throw new UserError(
      `The container ${managed.container} was not made by cd-actions.`,
      'Name another one in `nginx-container`.',
    );
  const missing = managed.insistOnPorts ? managed.ports.filter((port) => !published(found).has(port)) : [];
  if (missing.length > 0)
    throw new UserError(`The Nginx container ${managed.container} does not publish port ${missing.join(', ')}.`, anew);
  if (!found.Mounts.some((mount) => mount.Destination === managed.root))
    throw new UserError(`The Nginx container ${managed.container} has no volume at ${managed.root}.`, anew);
}

async function ensureImage(docker: Docker, image: string): Promise<void> {
  try {
    await docker.getImage(image).inspect();
    return;
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
  }
  try {
    const stream = await docker.pull(image);
    await new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve())),
    );
  } catch (cause) {
    throw new UserError(`The image ${image} cannot be pulled: ${messageOf(cause)}`, 'Correct `nginx-image`.', {
      cause,
    });
  }
}

/**
 * The container waits for its configuration before it becomes Nginx, because only inside it can be found out what its Nginx can do.
 * The configuration's directory is a volume: a single mounted file would stay on the old inode after a rename.
 */
async function create(managed: ManagedContainer): Promise<void> {
  const main = quote(layout(managed.root).main);
  const bindings = Object.fromEntries(managed.ports.map((port) => [`${port}/tcp`, [{ HostPort: String(port) }]]));
  await managed.docker.createContainer({
    name: managed.container,
    Image: managed.image,
    Entrypoint: ['sh', '-c'],
    Cmd: [
      `ulimit -n "$(ulimit -H -n)"; until [ -s ${main} ]; do sleep 0.1; done; exec nginx -c ${main} -g 'daemon off;'`,
    ],
    Labels: { 'cd-actions.managed': 'true' },
    ExposedPorts: Object.fromEntries(managed.ports.map((port) => [`${port}/tcp`, {}])),
    StopSignal: 'SIGQUIT',
    HostConfig: {
      PortBindings: bindings,
      Mounts: [{ Type: 'volume', Source: `${managed.container}-config`, Target: managed.root }],
      NetworkMode: managed.network,
      RestartPolicy: { Name: 'unless-stopped' },
    },
  });
}

async function start({ docker, container }: ManagedContainer): Promise<void> {
  try {
    await docker.getContainer(container).start();
  } catch (cause) {
    if (statusOf(cause) === 304) return;
    throw new UserError(
      `The Nginx container ${container} cannot be started: ${messageOf(cause)}`,
      /port|address already in use/.test(messageOf(cause))
        ? 'Free the port, or give others in `nginx-ports`.'
        : 'Put right what Docker names.',
      { cause },
    );
  }
}

function statusOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 0;
}
