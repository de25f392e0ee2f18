import type { RunIdentity } from './run.ts';

/** One container that answers requests. `address` and `port` are where Nginx reaches it. */
export interface Instance {
  /** Container id, 64 hexadecimal characters. */
  readonly id: string;
  readonly name: string;
  /** The Docker host it runs on, as given in `hosts`; `local` for the default engine. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/**
 * candidate: healthy, never had traffic. live: has weight. standby: had traffic, its instances still run.
 * stopped: had traffic, its instances are stopped. failed: refused by verification or never healthy.
 */
export type ReleaseState = 'candidate' | 'live' | 'standby' | 'stopped' | 'failed';

/** How instances are made, so that a release can be started again. Never holds a secret: secrets live in the container alone. */
export interface InstanceSpec {
  readonly image: string;
  readonly port: number;
  readonly replicas: number;
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables whose values are secret; the values are not kept. */
  readonly secretEnv: readonly string[];
  readonly command: readonly string[];
  /** Docker binds, `source:target[:ro]`. */
  readonly volumes: readonly string[];
  /** Further Docker networks to join, beside the suite's own. */
  readonly networks: readonly string[];
  /** Bytes; 0 is no limit. */
  readonly memory: number;
  /** CPUs; 0 is no limit. */
  readonly cpus: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopTimeout: number;
  readonly health: HealthCheck;
}

/** What must answer before an instance counts as healthy. Durations in milliseconds. */
export interface HealthCheck {
  readonly path: string;
  readonly port: number;
  /** Inclusive ranges of accepted status codes. */
  readonly status: readonly (readonly [number, number])[];
  readonly timeout: number;
  readonly interval: number;
  /** How long it must stay healthy before it counts. */
  readonly stable: number;
}

/** One version of an app in one environment: an image by digest, its configuration, its instances. */
export interface Release {
  readonly version: string;
  /** The reference that was asked for. */
  readonly image: string;
  /** What runs: `sha256:...`, the image id on the hosts. */
  readonly imageId: string;
  /** The registry's digest, `sha256:...`; empty for an image that was never pushed. */
  readonly digest: string;
  /** The order of releases: milliseconds of the image's creation or commit. A smaller one is older. */
  readonly order: number;
  readonly state: ReleaseState;
  /** ISO 8601, when verification passed while live; empty when it never did. */
  readonly verifiedAt: string;
  readonly registeredAt: string;
  readonly spec: InstanceSpec;
  readonly instances: readonly Instance[];
  readonly run: RunIdentity;
}
