import type { ProxyCapabilities } from '../delivery/ports.ts';
import type { Instance } from '../domain/release.ts';
import type { Route } from '../domain/traffic.ts';
import type { Facts } from './capabilities.ts';
import type { NginxHost } from './host.ts';
import type { Settings } from './render.ts';

/** One way of running Nginx: what the managed container and the host's own do differently. */
export interface Site {
  readonly name: string;
  readonly root: string;
  readonly adminPort: number;
  readonly host: NginxHost;
  /** The program and its configuration, as words for a shell. */
  readonly command: string;
  /** A shell word that expands to the process id of the master. */
  readonly master: string;
  reaches(instance: Instance): boolean;
  /** Makes the machine exist and run. Throws `UserError` when only the user can. */
  ensure(): Promise<void>;
  /** Throws `UserError` when requests to the route cannot reach this Nginx. */
  checkRoute(route: Route): Promise<void>;
  /** Shell lines that print `load_module` lines for a probe, one a line. */
  readonly moduleLines: string;
  settings(capabilities: ProxyCapabilities, facts: Facts): Settings;
  /** A copy of the main configuration that reads `staging` instead of the live files, and where to write it for the test. */
  stagedMain(staging: string): Promise<{ readonly path: string; readonly content: string } | null>;
  /** Files beside the shared ones that have to exist for Nginx to read them, by path. */
  hooks(): Promise<ReadonlyMap<string, string>>;
  /** Where Nginx says why it does not take a configuration over; null when nowhere that can be read. */
  errorLog(): Promise<string | null>;
  /** The last lines of the access log, which the settings call `log`; null when there is none, or it cannot be read. */
  accessTail(lines: number, log: string): Promise<string | null>;
}
