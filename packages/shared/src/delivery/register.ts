import { findRelease, type HistoryEvent } from '../domain/deployment.ts';
import { DeliveryError, messageOf, StaleLeaseError, UserError } from '../domain/errors.ts';
import type { Instance, InstanceSpec, Release } from '../domain/release.ts';
import { weightOf } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { requireEvidence } from './evidence.ts';
import { waitHealthy } from './health.ts';
import { attempt, engineOf, findInstances } from './hosts.ts';
import type { Operation } from './lease.ts';
import { operate } from './operation.ts';
import type { Context, ImageFacts } from './ports.ts';
import { removeUnclaimed } from './recover.ts';
import { publish, returnEverywhere } from './traffic.ts';

export interface RegisterRequest {
  readonly version: string;
  readonly spec: InstanceSpec;
  /** Values of `spec.secretEnv`. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Run once in the new image before any instance starts; empty for nothing. */
  readonly beforeStart: readonly string[];
  readonly allowOlder: boolean;
  /** Gates that must have passed for the image. */
  readonly requireEvidence: readonly string[];
  /** Milliseconds after which evidence is too old; 0 or not given: never. */
  readonly evidenceMaxAge?: number;
}

export interface Registered {
  readonly release: Release;
  /** False when the version was registered already with the same image and configuration, and still runs. */
  readonly changed: boolean;
}

/**
 * Starts the instances of a version on every host, waits until all are healthy and stay so, and records the release. It has no
 * traffic yet. On any failure everything that was started is removed, and the registry says what it said before.
 */
export function register(ctx: Context, request: RegisterRequest): Promise<Registered> {
  return operate(ctx, { operation: 'register', version: request.version, reason: '' }, async (op) => {
    const image = await imageEverywhere(op.ctx, request.spec.image);
    await requireEvidence(op.ctx, image, request.requireEvidence, request.evidenceMaxAge);
    const release = newRelease(op, request, image);
    const unchanged = await alreadyRuns(op, release);
    if (unchanged) return { release: unchanged, changed: false };
    refuseOverLive(op, release);
    refuseOlder(op, release, request.allowOlder);
    await op.write({ journal: journalOf(op, release) });
    const instances = await startOrRemove(op, release, request);
    await record(op, { ...release, instances });
    return { release: { ...release, instances }, changed: true };
  });
}

/** The same image on every host; a reference that means different images on different hosts is refused. */
async function imageEverywhere(ctx: Context, reference: string): Promise<ImageFacts> {
  const facts = await Promise.all(ctx.fleet.engines.map((engine) => engine.image(reference)));
  const first = facts[0];
  if (!first) throw new UserError('There is no Docker host to start instances on.', 'Name one under `hosts`.');
  if (facts.some((each) => each.id !== first.id)) {
    throw new UserError(
      `${reference} is not the same image on every host.`,
      'Push it to a registry and name it by digest.',
    );
  }
  return first;
}

function newRelease(op: Operation, request: RegisterRequest, image: ImageFacts): Release {
  const created = image.labels['org.opencontainers.image.created'] ?? image.created;
  const built = Date.parse(created);
  const now = op.ctx.clock.now();
  return {
    version: request.version,
    image: request.spec.image,
    imageId: image.id,
    digest: image.digest,
    // Who allows an older version decides that it is the newest from now on.
    order: request.allowOlder || Number.isNaN(built) ? now : built,
    state: 'candidate',
    verifiedAt: '',
    registeredAt: new Date(now).toISOString(),
    spec: request.spec,
    instances: [],
    run: op.ctx.run,
  };
}

/** Registering the same version again is no work when it runs as wished. */
async function alreadyRuns(op: Operation, release: Release): Promise<Release | undefined> {
  const known = findRelease(op.deployment, release.version);
  if (!known || known.state === 'stopped' || known.state === 'failed') return undefined;
  if (known.imageId !== release.imageId || JSON.stringify(known.spec) !== JSON.stringify(release.spec))
    return undefined;
  if (known.instances.length !== release.spec.replicas * op.ctx.fleet.engines.length) return undefined;
  try {
    await Promise.all(
      known.instances.map((instance) =>
        healthy(op, instance, {
          ...known,
          spec: { ...known.spec, health: { ...known.spec.health, timeout: 0, stable: 0 } },
        }),
      ),
    );
    return known;
  } catch {
    return undefined;
  }
}

function refuseOverLive(op: Operation, release: Release): void {
  const weight = op.deployment.traffic ? weightOf(op.deployment.traffic.plan, release.version) : 0;
  if (weight > 0) {
    throw new UserError(
      `Version ${release.version} is live with ${weight} % of the traffic, with another image or configuration, or unhealthy.`,
      'A live version is never replaced in place: register the change under a version of its own.',
    );
  }
}

function refuseOlder(op: Operation, release: Release, allowOlder: boolean): void {
  const newer = op.deployment.releases.find(
    (each) => each.state !== 'failed' && each.version !== release.version && each.order > release.order,
  );
  if (newer && !allowOlder) {
    throw new UserError(
      `Version ${release.version} (${new Date(release.order).toISOString()}) is older than ${newer.version} (${new Date(newer.order).toISOString()}), which is ${newer.state}.`,
      'An older version never replaces a newer one. Use rollback, or set `allow-older: true`.',
    );
  }
}

function journalOf(op: Operation, release: Release): NonNullable<Operation['deployment']['journal']> {
  return {
    operation: 'register',
    phase: 'intent',
    version: release.version,
    from: op.deployment.traffic,
    retiring: [],
    startedAt: new Date(op.ctx.clock.now()).toISOString(),
    run: op.ctx.run,
    reason: '',
  };
}

/** All instances healthy, or none left. */
async function startOrRemove(op: Operation, release: Release, request: RegisterRequest): Promise<readonly Instance[]> {
  const started: Instance[] = [];
  try {
    await runBefore(op, request);
    await op.ctx.log.group(`Start ${release.version}`, async () => {
      const starts = op.ctx.fleet.engines.flatMap((engine) =>
        Array.from({ length: release.spec.replicas }, async (_, index) => {
          const instance = await engine.start(op.ctx.id, release, index, request.secrets);
          started.push(instance);
          op.ctx.log.info(`${instance.name} started on ${instance.host}, ${instance.address}:${instance.port}`);
        }),
      );
      await settled(starts);
      await settled(started.map((instance) => healthy(op, instance, release)));
    });
    return [...started].sort((a, b) => a.name.localeCompare(b.name));
  } catch (error) {
    // What is left behind is removed by the next run, to which the journal tells that there may be something.
    const clean = await attempt(
      op,
      'What was started could not be removed; the next run of any action does it',
      async () => {
        await removeAll(op, started, release);
        await removeUnclaimed(op, op.deployment, await findInstances(op.ctx));
        await op.write({ journal: null, events: [failedEvent(op, release, error)] });
      },
    );
    const removed = clean ? 'what was started is removed' : 'what was started is removed by the next run';
    throw new DeliveryError(messageOf(error), `Nothing was registered; ${removed}. ${serving(op)}`, { cause: error });
  }
}

function serving(op: Operation): string {
  const live = op.deployment.traffic?.plan.targets.map((target) => `${target.version} (${target.weight} %)`).join(', ');
  return live ? `Live traffic is untouched: ${live}.` : 'Nothing is live yet.';
}

async function runBefore(op: Operation, request: RegisterRequest): Promise<void> {
  const engine = op.ctx.fleet.engines[0];
  if (request.beforeStart.length === 0 || !engine) return;
  await op.ctx.log.group(`Run ${request.beforeStart.join(' ')}`, async () => {
    const { exitCode, output } = await engine.runOnce(
      op.ctx.id,
      request.spec,
      request.beforeStart,
      request.secrets,
      op.ctx.signal,
    );
    op.ctx.log.info(output);
    if (exitCode !== 0) throw new DeliveryError(`\`before-start\` ended with exit code ${exitCode}:\n${output}`);
  });
}

/** Waits for all, then throws the first failure: nothing is left running behind our back. */
async function settled(work: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failed.length === 1) throw failed[0]?.reason;
  if (failed.length > 1) throw new DeliveryError(failed.map((each) => messageOf(each.reason)).join('\n\n'));
}

async function healthy(op: Operation, instance: Instance, release: Release): Promise<void> {
  const engine = engineOf(op, instance.host);
  if (!engine)
    throw new DeliveryError(`${instance.name} runs on ${instance.host}, which is not among the hosts given.`);
  await waitHealthy(op.ctx, engine, instance, release.spec);
}

/** Tries all, then throws the first failure. */
async function removeAll(op: Operation, instances: readonly Instance[], release: Release): Promise<void> {
  const timeout = Math.min(release.spec.stopTimeout, 5000);
  await settled(instances.map(async (instance) => engineOf(op, instance.host)?.remove(instance, timeout)));
}

function failedEvent(op: Operation, release: Release, error: unknown): HistoryEvent {
  return eventOf(op.ctx, 'failed', release.version, messageOf(error).split('\n')[0] ?? '');
}

/** The release stands in the registry first, then Nginx learns its pool by a reload that moves no traffic. */
async function record(op: Operation, release: Release): Promise<void> {
  const replaced = findRelease(op.deployment, release.version);
  await op.write({
    releases: [release],
    events: [
      eventOf(op.ctx, 'registered', release.version, `${release.instances.length} instance(s) of ${release.imageId}`),
    ],
  });
  try {
    await publish(op, await op.ctx.registry.read(op.ctx.id));
  } catch (error) {
    throw await unrecord(op, release, replaced, error);
  }
  await attempt(op, 'What was replaced could not be removed; the next run of any action does it', async () => {
    if (replaced) await removeAll(op, replaced.instances, replaced);
    await op.write({ journal: null });
  });
}

/** An Nginx that does not take the pool keeps the release out: all is as before, or the journal tells the next run what to do. */
async function unrecord(
  op: Operation,
  release: Release,
  replaced: Release | undefined,
  cause: unknown,
): Promise<unknown> {
  if (cause instanceof StaleLeaseError || op.signal.reason instanceof StaleLeaseError) return cause;
  await attempt(op, 'What was registered could not be taken back; the next run of any action does it', async () => {
    await op.write(replaced ? { releases: [replaced] } : { removeReleases: [release.version] });
    if (op.deployment.traffic) {
      const returned = await returnEverywhere(op, op.deployment, op.deployment.traffic);
      if (!returned.complete) throw new DeliveryError(returned.failures);
    }
    await removeAll(op, release.instances, release);
    await op.write({ journal: null, events: [failedEvent(op, release, cause)] });
  });
  if (cause instanceof UserError) return cause;
  return new DeliveryError(messageOf(cause), `Nothing was registered. ${serving(op)}`, { cause });
}
