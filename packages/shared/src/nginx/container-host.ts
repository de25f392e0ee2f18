import type { Clock, ProxyCapabilities, Proxy as ProxyPort } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import { listensOf } from '../domain/route.ts';
import type { Route } from '../domain/traffic.ts';
import type { Facts } from './capabilities.ts';
import { atLeast } from './capabilities.ts';
import { ensureContainer, type ManagedContainer, publishedPorts } from './container-create.ts';
import { ContainerHost } from './container-shell.ts';
import type { Docker } from './docker.ts';
import type { NginxHost } from './host.ts';
import { layout } from './layout.ts';
import { NginxProxy } from './proxy.ts';
import type { Settings } from './render.ts';
import { unframed } from './served.ts';
import type { Site } from './site.ts';

/** The private server's port: on the container's own loopback, so that every container can have the same. */
const ADMIN_PORT = 9180;

/**
 * The managed Nginx container of one Docker host. `name` is the host as instances carry it. `ports` are published when the container
 * is created. `configDir` is where its volume is mounted, `/etc/nginx/cd-actions` unless told.
 */
export function containerProxy(options: {
  readonly name: string;
  readonly docker: Docker;
  readonly container: string;
  readonly image: string;
  readonly network: string;
  /** Makes the network, which the instances share, unless it is there. */
  readonly ensureNetwork: () => Promise<void>;
  readonly configDir?: string;
  readonly ports: readonly number[];
  /** A container that is there already has to publish the ports. */
  readonly insistOnPorts?: boolean;
  readonly clock: Clock;
}): ProxyPort {
  const root = options.configDir ?? '/etc/nginx/cd-actions';
  return new NginxProxy(new ContainerSite(options.name, { ...options, root }), options.clock);
}

class ContainerSite implements Site {
  readonly name: string;
  readonly root: string;
  readonly adminPort = ADMIN_PORT;
  readonly host: NginxHost;
  readonly command: string;
  readonly master = '1';
  readonly moduleLines: string;
  readonly #managed: ManagedContainer;

  constructor(name: string, managed: ManagedContainer) {
    this.name = name;
    this.root = managed.root;
    this.#managed = managed;
    this.host = new ContainerHost(managed.docker, managed.container, managed.root, ADMIN_PORT);
    this.command = `nginx -c ${layout(managed.root).main}`;
    this.moduleLines = MODULE_LINES;
  }

  reaches(instance: { readonly host: string }): boolean {
    return instance.host === this.name;
  }

  ensure(): Promise<void> {
    return ensureContainer(this.#managed);
  }

  async checkRoute(route: Route): Promise<void> {
    const published = await publishedPorts(this.#managed);
    for (const listen of listensOf(route)) {
      if (!/^\d+$/.test(listen))
        throw new UserError(
          `\`listen: ${listen}\` names an address, which a container's Nginx does not have.`,
          'Give the port alone, or use `nginx: host`.',
        );
      if (Number(listen) === ADMIN_PORT)
        throw new UserError(`Port ${listen} is the suite's own.`, 'Use another `listen`.');
      if (!published.has(Number(listen)))
        throw new UserError(
          `The Nginx container ${this.#managed.container} does not publish port ${listen}; it publishes ${[...published].join(', ') || 'none'}.`,
          `Add ${listen} to \`nginx-ports\`, remove the container (its configuration stays in its volume) and run prepare-host.`,
        );
    }
  }

  settings(capabilities: ProxyCapabilities, facts: Facts): Settings {
    return {
      root: this.root,
      instant: capabilities.instant,
      gracefulReload: capabilities.gracefulReload,
      http2Directive: atLeast(capabilities.version, '1.25.1'),
      adminPort: ADMIN_PORT,
      accessLog: '/dev/stdout',
      managed: {
        module: capabilities.instant ? (/load_module (\S+);/.exec(facts.modules[0] ?? '')?.[1] ?? null) : null,
        user: facts.user,
      },
    };
  }

  async stagedMain(): Promise<null> {
    return null;
  }

  async hooks(): Promise<ReadonlyMap<string, string>> {
    return new Map();
  }

  async accessTail(lines: number): Promise<string | null> {
    const { docker, container } = this.#managed;
    const given = { stdout: true, stderr: false, tail: lines, follow: false } as const;
    // Some log drivers only send away.
    return docker
      .getContainer(container)
      .logs(given)
      .then(unframed, () => null);
  }

  async errorLog(): Promise<string> {
    return `${this.root}/emerg.log`;
  }
}

/** The module lies where the program was built to look, unless it is built in. */
const MODULE_LINES = `m=$(nginx -V 2>&1 | sed -n 's/.*--modules-path=\\([^ ]*\\).*/\\1/p')/ngx_http_js_module.so
[ ! -f "$m" ] || echo "load_module $m;"`;
