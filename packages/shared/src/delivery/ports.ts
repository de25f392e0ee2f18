/**
 * What the delivery stories need of the world. Each port has adapters in a room of its own, a fake in `test/support`, and one
 * conformance suite in `test/integration` that holds both to the same behaviour.
 */
import type { Deployment, HistoryEvent, Journal } from '../domain/deployment.ts';
import type { DeploymentId } from '../domain/names.ts';
import type { Instance, InstanceSpec, Release } from '../domain/release.ts';
import type { RunIdentity } from '../domain/run.ts';
import type { Route, Traffic, TrafficPlan } from '../domain/traffic.ts';
import type { Evidence } from '../domain/verdict.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warning(message: string): void;
  /** Shows what `work` logs under one folded heading. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
}

/** The holder of a lease, as shown to whoever waits for it. */
export interface LeaseHolder {
  readonly run: RunIdentity;
  readonly operation: string;
  readonly version: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly since: string;
}

export interface Lease {
  /** The fencing token: grows with every acquisition of the deployment's lease, never reused. */
  readonly token: number;
  readonly holder: LeaseHolder;
}

/** All changes of one write are applied together or not at all. Absent fields stay as they are. */
export interface RegistryChange {
  readonly releases?: readonly Release[];
  readonly removeReleases?: readonly string[];
  /** Null removes it. */
  readonly traffic?: Traffic | null;
  readonly journal?: Journal | null;
  readonly events?: readonly HistoryEvent[];
}

/** The deployment registry (Redis). Every method is one round trip. Throws `UnavailableError` within seconds when it is away. */
export interface Registry {
  /** Takes the lease for `ttl` milliseconds, or says who holds it and for how long still. The same `run.id` does not take it twice. */
  acquire(
    id: DeploymentId,
    holder: LeaseHolder,
    ttl: number,
  ): Promise<{ lease: Lease } | { heldBy: LeaseHolder; remaining: number }>;
  /** Prolongs the lease. Throws `StaleLeaseError` when it is no longer held. */
  renew(id: DeploymentId, lease: Lease, ttl: number): Promise<void>;
  /** Frees the lease if it is still held; frees nobody else's. */
  release(id: DeploymentId, lease: Lease): Promise<void>;
  read(id: DeploymentId): Promise<Deployment>;
  /** Throws `StaleLeaseError`, having written nothing, unless the lease is held. */
  write(id: DeploymentId, lease: Lease, change: RegistryChange): Promise<void>;
  /** Newest first. */
  history(id: DeploymentId, count: number): Promise<readonly HistoryEvent[]>;
  /** Keyed by image digest or id, one per gate: a later one replaces the earlier. */
  putEvidence(image: string, evidence: Evidence): Promise<void>;
  evidence(image: string): Promise<readonly Evidence[]>;
  /** Every deployment that the registry knows. */
  deployments(): Promise<readonly DeploymentId[]>;
  close(): Promise<void>;
}

export interface ImageFacts {
  /** `sha256:...`, the id on this host. */
  readonly id: string;
  /** The registry's digest, `sha256:...`, or empty. */
  readonly digest: string;
  /** ISO 8601. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A container that carries the suite's labels, whatever its state. */
export interface FoundInstance {
  readonly instance: Instance;
  readonly id: DeploymentId;
  readonly version: string;
  readonly running: boolean;
  /** The release as it was written to the container's labels; null when unreadable. */
  readonly release: Release | null;
}

/** Why an instance is not healthy: shown to the user when a start fails. */
export interface Diagnosis {
  readonly name: string;
  /** Docker's word: `running`, `restarting`, `exited` …; `removed` when the container is gone. */
  readonly state: string;
  /** How often Docker has started it again by itself. */
  readonly restarts: number;
  readonly exitCode: number | null;
  readonly outOfMemory: boolean;
  /** The last lines of its log. */
  readonly logs: string;
}

/** One Docker host. */
export interface Engine {
  /** The host as given in `hosts`, `local` for the default. */
  readonly host: string;
  /** Pulls the image when it is not there, and says what it is. Throws `UserError` when it cannot be had. */
  image(reference: string): Promise<ImageFacts>;
  /**
   * Creates and starts one container of `release`, labelled with the deployment and the release. `secrets` are the values of
   * `spec.secretEnv`. `index` numbers the replica from 0. The container's name begins with `<app>-<environment>-`.
   */
  start(
    id: DeploymentId,
    release: Release,
    index: number,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Instance>;
  /** Starts a stopped instance again; its address may have changed. Throws `UserError` when it is gone. */
  restart(instance: Instance): Promise<Instance>;
  /** SIGTERM, then SIGKILL after `timeout` milliseconds. No error when it is stopped or gone already. */
  stop(instance: Instance, timeout: number): Promise<void>;
  /** Stops if need be and removes, with anonymous volumes. No error when it is gone already. */
  remove(instance: Instance, timeout: number): Promise<void>;
  /** Every container of the deployment on this host, of every version and state. */
  find(id: DeploymentId): Promise<readonly FoundInstance[]>;
  diagnose(instance: Instance): Promise<Diagnosis>;
  /** Runs a command once in a new container of the spec's image, with its environment and networks; removes it afterwards. */
  runOnce(
    id: DeploymentId,
    spec: InstanceSpec,
    command: readonly string[],
    secrets: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ exitCode: number; output: string }>;
  /** Removes the ended containers of one-off commands that a killed run left. One that still runs is left alone. */
  sweep(id: DeploymentId): Promise<void>;
  close(): Promise<void>;
}

/** One release as Nginx has to know it. */
export interface Pool {
  readonly version: string;
  readonly servers: readonly { readonly address: string; readonly port: number }[];
}

/** Everything that Nginx is told of one deployment. */
export interface ProxyConfig {
  readonly id: DeploymentId;
  readonly generation: number;
  readonly route: Route;
  readonly plan: TrafficPlan;
  /** One per release that has running instances; a superset of the plan's versions. */
  readonly pools: readonly Pool[];
}

export interface ProxyCapabilities {
  readonly version: string;
  /** njs >= 0.8 is loaded: a plan moves traffic without a reload. */
  readonly instant: boolean;
  /** `keepalive_min_timeout` (Nginx >= 1.27.4): a reload resets no client. */
  readonly gracefulReload: boolean;
}

/** What one Nginx serves of a deployment. `structure` is a digest of the loaded route and pools. */
export interface ProxyState {
  readonly generation: number;
  readonly structure: string;
}

/** A configuration written beside the live one. Nothing that serves or restarts reads it. */
export interface StagedConfig {
  readonly config: ProxyConfig;
  /** The whole rendered configuration of the deployment, for people. */
  readonly text: string;
  /** A unified diff against what is live; empty when the same. */
  readonly diff: string;
  /** The pools or the route change, or what lies there has to be written anew, so that activating it takes a reload. */
  readonly needsReload: boolean;
  /** What the host's own files say is live, the plan in force included; null when nothing is. */
  readonly live: ProxyConfig | null;
  /** What lies there otherwise than the suite wrote it, such as a file edited by hand; one line each. */
  readonly drift: readonly string[];
  readonly token: string;
}

/** How many requests each version answered. */
export interface Served {
  readonly requests: Readonly<Record<string, number>>;
  /** Those of clients that had no version yet: each was given one by the weights, independently of all others. */
  readonly newUsers: Readonly<Record<string, number>>;
  /** There were more than were looked at: these are the latest. */
  readonly cut: boolean;
}

/** One Nginx. */
export interface Proxy {
  readonly name: string;
  /** The instances it can send traffic to: those of its own host, or of all hosts. */
  reaches(instance: Instance): boolean;
  /** Makes the Nginx ready if it is absent or not prepared. Idempotent. */
  prepare(): Promise<ProxyCapabilities>;
  capabilities(): Promise<ProxyCapabilities>;
  /** What it serves now, asked on fresh connections; null when it does not know the deployment. */
  state(id: DeploymentId): Promise<ProxyState | null>;
  /** The last configuration that was activated for the deployment, from the host's own files; null when there is none. */
  lastKnownGood(id: DeploymentId): Promise<ProxyConfig | null>;
  /** Renders, writes beside the live configuration and tests the whole with the real Nginx. Throws `DeliveryError` with Nginx's words when refused, and leaves nothing. */
  stage(config: ProxyConfig): Promise<StagedConfig>;
  /**
   * Makes the staged configuration the one that serves and that a restart loads, and returns once fresh connections are answered by it
   * alone. Throws `DeliveryError` with the cause when Nginx does not take it over; the files then say the previous one again.
   */
  activate(
    staged: StagedConfig,
    mode: 'auto' | 'instant' | 'reload',
    signal: AbortSignal,
  ): Promise<{ how: 'instant' | 'reload' | 'nothing'; milliseconds: number }>;
  discard(staged: StagedConfig): Promise<void>;
  /** Removes the deployment's configuration; the rest serves on. */
  forget(id: DeploymentId): Promise<void>;
  /**
   * Established connections from this Nginx to the servers of the pool, and quiet client connections that old workers could still
   * answer from it; 0 when nothing can reach it any more. Null when it cannot be known here.
   */
  connections(pool: Pool): Promise<number | null>;
  /** What its access log says of the last `lasted` milliseconds; null when it keeps none that can be read. */
  served(id: DeploymentId, versions: readonly string[], lasted: number): Promise<Served | null>;
  /** One HTTP GET from where the traffic will flow. `status` 0 with `error` when there was no answer. */
  probe(
    address: string,
    port: number,
    path: string,
    timeout: number,
  ): Promise<{ status: number; error: string; milliseconds: number }>;
  close(): Promise<void>;
}

/** The parts one delivery works with. */
export interface Fleet {
  readonly engines: readonly Engine[];
  readonly proxies: readonly Proxy[];
}

/** What every story is handed. */
export interface Context {
  readonly id: DeploymentId;
  readonly registry: Registry;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Log;
  readonly run: RunIdentity;
  readonly signal: AbortSignal;
  /** Milliseconds to wait for another run's lease. */
  readonly lockWait: number;
  /** Milliseconds after which the lease of a killed run frees itself; 15 s when not given. */
  readonly leaseTtl?: number;
  /** Told when the lease is taken, and null when it is freed: what a later step needs to free it for a run that was killed. */
  readonly onLease?: (lease: Lease | null) => void;
}

/** One image to build. All paths are absolute and were found inside the workspace. */
export interface BuildRequest {
  /** `repository:tag`, at least one; the first is the one that is deployed. */
  readonly references: readonly string[];
  readonly context: string;
  readonly dockerfile: string;
  /** The stage to build; empty is the last. */
  readonly target: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Values by id, for `RUN --mount=type=secret`. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly push: boolean;
  /** Seconds since the epoch, for reproducible timestamps; null when unknown. */
  readonly sourceDate: number | null;
}

export interface BuiltImage {
  readonly builder: 'buildx' | 'engine';
  /** `sha256:...` on the engine; empty for an image of several platforms, which is in the registry alone. */
  readonly imageId: string;
  /** The digest that the registry confirmed, `sha256:...`; empty when it was not pushed. */
  readonly digest: string;
  /** Bytes, unpacked; null when the engine does not hold the image. */
  readonly size: number | null;
}

/** Builds and pushes images. */
export interface ImageBuilder {
  /** Why this one was chosen, for the log. */
  readonly description: string;
  /**
   * Builds and, if asked to, pushes. Logs each step under a heading of its own.
   * @throws UserError naming the step that failed, its last lines as the cause.
   */
  build(request: BuildRequest, log: Log, signal: AbortSignal): Promise<BuiltImage>;
}
