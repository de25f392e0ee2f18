import { type Deployment, findRelease } from '../domain/deployment.ts';
import { messageOf, StaleLeaseError } from '../domain/errors.ts';
import type { Instance, Release } from '../domain/release.ts';
import { type Traffic, versionsIn } from '../domain/traffic.ts';
import { eventOf } from './events.ts';
import { engineOf } from './hosts.ts';
import type { Operation } from './lease.ts';
import type { FoundInstance } from './ports.ts';
import { reachable } from './reachable.ts';
import { newestTraffic, releasesFrom } from './rebuild.ts';
import { statesUnder } from './recover.ts';
import { activateEverywhere, configFor, discardEverywhere, type Staged } from './traffic.ts';

/**
 * Brings hosts and registry to agree when nothing was under way: instances that serve run, and every Nginx serves and would load
 * what is committed. Whatever differs is reported as a warning and put right; when nothing does, it asks each Nginx and changes
 * nothing. Returns the deployment as it is then.
 */
export async function reconcile(op: Operation, found: readonly FoundInstance[]): Promise<Deployment> {
  await followInstances(op, found);
  const deployment = await op.ctx.registry.read(op.ctx.id);
  if (!deployment.traffic) return deployment;
  const staged = await stageCommitted(op, deployment, deployment.traffic);
  const traffic = agreedTraffic(deployment.traffic, staged);
  if (traffic.generation > deployment.traffic.generation) {
    await discardEverywhere(staged);
    return followHosts(op, found, deployment, traffic);
  }
  try {
    await putRight(op, staged, traffic);
  } catch (error) {
    if (error instanceof StaleLeaseError) throw error;
    op.ctx.log.warning(`Every Nginx is made ready again: ${messageOf(error)}`);
    await Promise.all(op.ctx.fleet.proxies.map((proxy) => proxy.prepare()));
    await putRight(op, await stageCommitted(op, deployment, traffic), traffic);
  }
  return deployment;
}

/** Restarted engines give containers other addresses, containers die or are removed: the registry follows what runs. */
async function followInstances(op: Operation, found: readonly FoundInstance[]): Promise<void> {
  const { releases, traffic } = await op.ctx.registry.read(op.ctx.id);
  const serving = traffic ? versionsIn(traffic.plan) : [];
  const changed: Release[] = [];
  for (const release of releases) {
    const instances = await followRelease(op, release, found, serving.includes(release.version));
    if (JSON.stringify(instances) !== JSON.stringify(release.instances)) changed.push({ ...release, instances });
  }
  if (changed.length > 0) await op.write({ releases: changed });
}

async function followRelease(
  op: Operation,
  release: Release,
  found: readonly FoundInstance[],
  serves: boolean,
): Promise<readonly Instance[]> {
  const kept = release.instances.filter(
    (instance) => engineOf(op, instance.host) === undefined || exists(instance, found),
  );
  const gone = release.instances.filter((instance) => !kept.includes(instance));
  for (const { name } of gone) op.ctx.log.warning(`${name} of ${release.version} is gone from its host.`);
  // What serves is never left without an address: Nginx keeps the last that was good.
  const left = serves ? release.instances.filter((each) => kept.includes(each) || isLast(each, kept)) : kept;
  return Promise.all(left.map((instance) => followInstance(op, release, instance, found, serves)));
}

const exists = (instance: Instance, found: readonly FoundInstance[]): boolean =>
  found.some((each) => each.instance.id === instance.id);

const isLast = (instance: Instance, kept: readonly Instance[]): boolean =>
  !kept.some((each) => each.host === instance.host);

async function followInstance(
  op: Operation,
  release: Release,
  instance: Instance,
  found: readonly FoundInstance[],
  serves: boolean,
): Promise<Instance> {
  const seen = found.find((each) => each.instance.id === instance.id);
  const now = seen?.running === false && serves ? await startAgain(op, release, instance) : seen?.instance;
  if (!now || now.address === '' || (now.address === instance.address && now.port === instance.port)) return instance;
  op.ctx.log.warning(`${instance.name} of ${release.version} has another address: ${now.address}:${now.port}.`);
  return { ...instance, address: now.address, port: now.port };
}

async function startAgain(op: Operation, release: Release, instance: Instance): Promise<Instance> {
  op.ctx.log.warning(`${instance.name} has traffic as ${release.version} and does not run: it is started again.`);
  try {
    await op.confirm();
    return (await engineOf(op, instance.host)?.restart(instance)) ?? instance;
  } catch (error) {
    op.ctx.log.warning(`${instance.name} could not be started again: ${messageOf(error)}`);
    return instance;
  }
}

/** Renders and tests what is committed on every Nginx, each made ready first if it has to be. */
async function stageCommitted(op: Operation, deployment: Deployment, traffic: Traffic): Promise<Staged> {
  const outcomes = await Promise.allSettled(
    op.ctx.fleet.proxies.map(async (proxy) => ({
      proxy,
      staged: await reachable(op, proxy, () => proxy.stage(configFor(proxy, deployment, traffic))),
    })),
  );
  const staged = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!failed) return staged;
  await discardEverywhere(staged);
  throw failed.reason;
}

/**
 * The committed traffic, unless an Nginx was told a later one: then the registry has lost its last writes, as after a failover or from
 * a backup, and what serves is the truth.
 */
function agreedTraffic(committed: Traffic, staged: Staged): Traffic {
  const newest = newestTraffic(staged.map((each) => each.staged.live));
  return newest && newest.generation > committed.generation ? newest : committed;
}

async function putRight(op: Operation, staged: Staged, traffic: Traffic): Promise<void> {
  const drifted = staged.filter(({ staged: each }) => each.drift.length > 0 || each.needsReload);
  for (const { proxy, staged: each } of drifted) {
    for (const line of each.drift) op.ctx.log.warning(`${proxy.name}: ${line}`);
    if (each.drift.length === 0)
      op.ctx.log.warning(`${proxy.name} has other routes or instances loaded than are registered.`);
    // What all apps share may have been changed too.
    if (each.drift.length > 0) await proxy.prepare();
  }
  const { how } = await activateEverywhere(op, staged, 'auto');
  if (how === 'nothing') return;
  if (drifted.length === 0)
    op.ctx.log.warning(`An Nginx did not serve the committed traffic (generation ${traffic.generation}).`);
  op.ctx.log.info(`What differed on the hosts was put right by ${how}.`);
}

/** The registry takes over what the hosts know better, under a generation that all of them get. */
async function followHosts(
  op: Operation,
  found: readonly FoundInstance[],
  deployment: Deployment,
  traffic: Traffic,
): Promise<Deployment> {
  const unknown = found.filter((each) => !findRelease(deployment, each.version));
  const releases = [...deployment.releases, ...releasesFrom(unknown, traffic)];
  const known = versionsIn(traffic.plan).every((version) => releases.some((release) => release.version === version));
  const from = deployment.traffic?.generation ?? 0;
  const adopted = known || !deployment.traffic ? traffic : deployment.traffic;
  op.ctx.log.warning(
    `Nginx was told generation ${traffic.generation} and the registry only knows ${from}: it has lost writes. ` +
      (known
        ? 'What serves is kept.'
        : 'What serves names versions that are nowhere to be found; what is committed is served again.'),
  );
  const next = { ...adopted, generation: traffic.generation + 1 };
  const written = { ...deployment, releases, traffic: next };
  const weights = next.plan.targets.map((target) => `${target.version}=${target.weight}`).join(' ');
  const staged = await stageCommitted(op, written, next);
  await activateEverywhere(op, staged, 'auto');
  const states = statesUnder(written, next.plan);
  await op.write({
    traffic: next,
    releases: releases.map((release) => states.find((each) => each.version === release.version) ?? release),
    events: [eventOf(op.ctx, 'reconciled', next.plan.targets[0]?.version ?? '', weights)],
  });
  return op.ctx.registry.read(op.ctx.id);
}
