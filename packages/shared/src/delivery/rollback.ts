import { type Deployment, findRelease } from '../domain/deployment.ts';
import { DeliveryError, messageOf, UserError } from '../domain/errors.ts';
import type { Instance, Release } from '../domain/release.ts';
import { weightOf } from '../domain/traffic.ts';
import { waitHealthy } from './health.ts';
import { engineOf } from './hosts.ts';
import type { Operation } from './lease.ts';
import { type Moved, moveTraffic } from './move.ts';
import { operate } from './operation.ts';
import type { Context, Engine } from './ports.ts';

/** Milliseconds in which an instance that already runs must answer. */
const WARM_TIMEOUT = 5000;

export interface RollbackRequest {
  /** Empty for the last version that was live and verified. */
  readonly toVersion: string;
  readonly reason: string;
  readonly drainTimeout: number;
  /** Also onto a version that is marked failed or was never verified. */
  readonly force: boolean;
}

export interface RolledBack {
  readonly moved: Moved;
  readonly fromVersion: string;
  /** Instances that had to be started again. */
  readonly restarted: number;
}

/**
 * Returns to an earlier version by the same switch as any other. Its instances run and are healthy before any traffic moves; when they
 * cannot be had, it fails and nothing has changed.
 */
export function rollback(ctx: Context, request: RollbackRequest): Promise<RolledBack> {
  return operate(ctx, { operation: 'rollback', version: request.toVersion, reason: request.reason }, async (op) => {
    const { traffic } = op.deployment;
    if (!traffic)
      throw new UserError(
        `${op.ctx.id} has no live traffic, so there is nothing to roll back.`,
        'Deliver a first version with switch-traffic.',
      );
    const target = chooseTarget(op.deployment, request);
    const fromVersion = leaving(op.deployment);
    const restarted = await makeReady(op, target);
    const plan = {
      ...traffic.plan,
      targets: [{ version: target.version, weight: 100 }],
      rules: [],
      mirror: null,
      maintenance: null,
    };
    const ready = { ...op, deployment: await op.ctx.registry.read(op.ctx.id) };
    const moved = await moveTraffic(
      ready,
      'rollback',
      { route: traffic.route, plan },
      {
        steps: [],
        stepInterval: 0,
        drainTimeout: request.drainTimeout,
        keepPrevious: 'running',
        activation: 'auto',
        reason: request.reason,
      },
    );
    return { moved, fromVersion, restarted };
  });
}

/** The version being left: the newest that has traffic. */
function leaving(deployment: Deployment): string {
  return deployment.traffic?.plan.targets[0]?.version ?? '';
}

/** By name, or the last verified one that is not being left. Throws `UserError` listing what there is. */
export function chooseTarget(deployment: Deployment, request: Pick<RollbackRequest, 'toVersion' | 'force'>): Release {
  const from = leaving(deployment);
  const choices = deployment.releases.filter((release) => release.version !== from);
  const listed =
    choices
      .map((release) => `${release.version} (${release.state}${release.verifiedAt ? ', verified' : ''})`)
      .join(', ') || 'none';
  if (request.toVersion !== '') return named(deployment, request, listed);
  const verified = choices.filter((release) => release.verifiedAt !== '' && release.state !== 'failed');
  const newest = [...verified].sort((a, b) => b.verifiedAt.localeCompare(a.verifiedAt))[0];
  if (newest) return newest;
  throw new UserError(
    `No version of ${deployment.id} other than ${from} was live and verified. Retained: ${listed}.`,
    'Name one with `to-version`.',
  );
}

function named(deployment: Deployment, request: Pick<RollbackRequest, 'toVersion' | 'force'>, listed: string): Release {
  const release = findRelease(deployment, request.toVersion);
  if (!release)
    throw new UserError(
      `Version ${request.toVersion} of ${deployment.id} is not retained. Retained: ${listed}.`,
      'Name one of those, or deliver the version anew.',
    );
  if (release.state === 'failed' && !request.force) {
    throw new UserError(`Version ${release.version} is marked failed.`, 'Name another version, or set `force: true`.');
  }
  if (deployment.traffic && weightOf(deployment.traffic.plan, release.version) === 100) {
    throw new UserError(`Version ${release.version} has all the traffic already.`, 'Name another version.');
  }
  return release;
}

/** Every instance of the release runs and is healthy, started again where it has to be. Returns how many were. */
async function makeReady(op: Operation, release: Release): Promise<number> {
  const expected = release.spec.replicas * op.ctx.fleet.engines.length;
  const running = new Set(await runningIds(op, release));
  try {
    const again = await Promise.all(
      release.instances.map((instance) => (running.has(instance.id) ? instance : revive(op, release, instance))),
    );
    const fresh = release.instances.length === 0 ? await startAnew(op, release) : [];
    const instances = [...again, ...fresh];
    const restarted = instances.length - running.size;
    await Promise.all(
      instances.map((instance) =>
        waitHealthy(op.ctx, hostOf(op, instance), instance, checkedAs(release, running.has(instance.id))),
      ),
    );
    if (instances.length === 0 || instances.length < Math.min(expected, 1))
      throw new DeliveryError('no instance could be started');
    if (restarted > 0 || release.state === 'stopped')
      await op.write({
        releases: [{ ...release, instances, state: release.state === 'stopped' ? 'standby' : release.state }],
      });
    return restarted;
  } catch (error) {
    throw new DeliveryError(`Version ${release.version} cannot be had: ${messageOf(error)}`, 'No traffic was moved.', {
      cause: error,
    });
  }
}

async function runningIds(op: Operation, release: Release): Promise<readonly string[]> {
  const found = (await Promise.all(op.ctx.fleet.engines.map((engine) => engine.find(op.ctx.id)))).flat();
  const ours = new Set(release.instances.map((instance) => instance.id));
  return found.filter((each) => each.running && ours.has(each.instance.id)).map((each) => each.instance.id);
}

/** A warm instance has proven itself: one good answer is enough. */
function checkedAs(release: Release, warm: boolean): Release['spec'] {
  const { spec } = release;
  if (!warm) return spec;
  return { ...spec, health: { ...spec.health, stable: 0, timeout: Math.min(spec.health.timeout, WARM_TIMEOUT) } };
}

function hostOf(op: Operation, instance: Instance): Engine {
  const engine = engineOf(op, instance.host);
  if (!engine)
    throw new UserError(
      `${instance.name} runs on ${instance.host}, which is not among the hosts given.`,
      'Name the same `hosts` as for the delivery.',
    );
  return engine;
}

async function revive(op: Operation, release: Release, instance: Instance): Promise<Instance> {
  op.ctx.log.info(`Starting ${instance.name} again.`);
  try {
    return await hostOf(op, instance).restart(instance);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return startOne(op, release, hostOf(op, instance), 0);
  }
}

async function startAnew(op: Operation, release: Release): Promise<readonly Instance[]> {
  return Promise.all(
    op.ctx.fleet.engines.flatMap((engine) =>
      Array.from({ length: release.spec.replicas }, (_, index) => startOne(op, release, engine, index)),
    ),
  );
}

/** From the image's digest, so that it is the very same image. Values of secret variables are nowhere kept. */
async function startOne(op: Operation, release: Release, engine: Engine, index: number): Promise<Instance> {
  if (release.spec.secretEnv.length > 0) {
    throw new UserError(
      `its containers are gone, and the secret variables ${release.spec.secretEnv.join(', ')} are kept nowhere`,
      'Deliver the version anew with register-container and `allow-older: true`.',
    );
  }
  const image = await engine.image(release.imageId).catch(() => engine.image(release.image));
  if (image.id !== release.imageId)
    throw new UserError(
      `${release.image} is another image by now (${image.id}, not ${release.imageId})`,
      'Deliver the version anew.',
    );
  return engine.start(op.ctx.id, release, index, {});
}
