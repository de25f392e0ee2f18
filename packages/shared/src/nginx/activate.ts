import type { Clock } from '../delivery/ports.ts';
import { DeliveryError, messageOf, StaleLeaseError } from '../domain/errors.ts';
import { type Answer, quote, writeLines } from './host.ts';
import { layout } from './layout.ts';
import { type Live, liveConfig } from './live.ts';
import { type PlanFile, planFile, planText } from './plan-file.ts';
import { readWorkers, WORKERS } from './proc.ts';
import { type Expected, reload } from './reload.ts';
import type { Site } from './site.ts';
import { joinServer, leaveServer, leftServers, linkGuard, OVERTAKEN, planGuard, QUIET_MS, type Work } from './work.ts';

/** Generations that stay on the disk, the live one among them. */
const KEPT = 3;

interface AdminAnswer {
  readonly structure: string;
  readonly token: string;
  readonly generation: number;
  readonly digest: string;
}

/**
 * The protocol: what a worker has to load first, by a reload that moves no traffic; then the plan, by one request to the dictionary.
 * Without njs the plan is part of what is loaded. Each step leaves files that a restart can load.
 */
export async function activate(
  site: Site,
  clock: Clock,
  proxy: { write(work: Work): Promise<void> },
  work: Work,
  forced: boolean,
): Promise<'instant' | 'reload' | 'nothing'> {
  const { config, needsReload } = work.staged;
  const plan = planFile(config.id, config.generation, config.plan);
  if (needsReload || forced) {
    if (!work.written) await proxy.write(work);
    await changeStructure(site, clock, work, plan);
    if (work.settings.instant && work.live) await movePlan(site, clock, work, plan, clock.now());
    return 'reload';
  }
  if (work.staged.drift.length === 0 && (await serves(site, work, plan))) return 'nothing';
  if (!work.settings.instant) {
    // Only the number changed: the loaded configuration carries it, so that it takes a reload to be told.
    await proxy.write(work);
    await changeStructure(site, clock, work, plan);
    return 'reload';
  }
  await movePlan(site, clock, work, plan, work.live?.loadedAt ?? 0);
  return 'instant';
}

async function loadedAnswer(site: Site, work: Work): Promise<AdminAnswer | null> {
  const answer = await site.host.admin({ method: 'GET', path: `/apps/${work.staged.config.id}` });
  return saidBy(answer);
}

async function serves(site: Site, work: Work, plan: PlanFile): Promise<boolean> {
  const live = work.live;
  if (!live) return false;
  const committed = live.plan ?? planFile(plan.id, live.generation.config.generation, live.generation.config.plan);
  if (committed.digest !== plan.digest || committed.generation !== plan.generation) return false;
  const loaded = await loadedAnswer(site, work);
  return (
    loaded !== null &&
    loaded.structure === live.generation.structure &&
    loaded.digest === plan.digest &&
    loaded.generation === plan.generation
  );
}

/** The generation that has to be loaded when the plan moves. */
function tokenOf(work: Work): string {
  return work.written ? work.staged.token : (work.live?.generation.token ?? '');
}

function saidBy(answer: Answer): AdminAnswer | null {
  return answer.status === 200 ? (JSON.parse(answer.body) as AdminAnswer) : null;
}

function answers(work: Work, token: string): Expected {
  return {
    path: `/apps/${work.staged.config.id}`,
    accepts: (status, body) => status === 200 && (JSON.parse(body) as AdminAnswer).token === token,
  };
}

async function changeStructure(site: Site, clock: Clock, work: Work, plan: PlanFile): Promise<void> {
  const at = layout(site.root);
  const { config, token } = work.staged;
  const servers = [...work.rendered.servers];
  const first = [
    `${linkGuard(site.root, work)} || exit ${OVERTAKEN}\n`,
    ...servers.flatMap(([key, text]) => [joinServer(site.root, key, config.id), writeLines(at.server(key), text)]),
    // A plan in force stays in force through the reload; without one the new workers begin with this one.
    work.live?.plan ? '' : writeLines(at.plan(config.id), planText(plan)),
    link(site.root, config.id, token),
    ...leftServers(work).map((key) => `${leaveServer(site.root, key, config.id)}\n`),
  ].join('');
  try {
    await reload(site, clock, first, answers(work, token));
  } catch (error) {
    if (error instanceof StaleLeaseError) throw error;
    await goBack(site, clock, work);
    throw error instanceof DeliveryError
      ? new DeliveryError(error.message, stillServing(work.live), { cause: error })
      : error;
  }
  await site.host.run(
    [
      `cd ${quote(at.generations(config.id))} || exit 0`,
      `echo ${clock.now()} > ${quote(token)}/loaded`,
      `ls -1t | sed -n '${KEPT + 1},$p' | while read -r old; do [ "$old" = ${quote(token)} ] || rm -rf "./$old"; done`,
    ].join('\n'),
  );
}

function link(root: string, id: string, token: string): string {
  const temporary = quote(`${root}/apps/.${id}.new`);
  return `ln -sfn ${quote(`../generations/${id}/${token}`)} ${temporary} && mv -T -f ${temporary} ${quote(`${root}/apps/${id}`)}\n`;
}

/** The files say the previous configuration again; if Nginx took the new one over after all, it is told to come back. */
async function goBack(site: Site, clock: Clock, work: Work): Promise<void> {
  const at = layout(site.root);
  const { config, token } = work.staged;
  const old = work.live;
  const restore = [
    `[ "$(readlink ${quote(at.app(config.id))} 2>/dev/null)" = ${quote(`../generations/${config.id}/${token}`)} ] || exit 0`,
    ...[...work.liveServers].flatMap(([key, text]) => [
      joinServer(site.root, key, config.id),
      writeLines(at.server(key), text),
    ]),
    old ? link(site.root, config.id, old.generation.token) : `rm -f ${quote(at.app(config.id))}`,
    old?.plan
      ? ''
      : old?.planText
        ? writeLines(at.plan(config.id), old.planText)
        : `rm -f ${quote(at.plan(config.id))}`,
    ...[...work.rendered.servers.keys()].map((key) => leaveServer(site.root, key, config.id)),
    `rm -rf ${quote(at.generation(config.id, token))}`,
  ].join('\n');
  await site.host.run(restore);
  const loaded = await loadedAnswer(site, work).catch(() => null);
  if (loaded?.token !== token) return;
  if (old) await reload(site, clock, '', answers(work, old.generation.token)).catch(() => undefined);
  else await site.host.run(`${site.command} -s reload </dev/null`);
}

/** File first, dictionary second, in one round trip: a restart between the two serves what is about to be said. */
async function movePlan(site: Site, clock: Clock, work: Work, plan: PlanFile, loadedAt: number): Promise<void> {
  await settle(site, clock, work, plan, loadedAt);
  const at = layout(site.root);
  const { id } = plan;
  const mine = planGuard(site.root, work, planText(plan));
  const guard = `${linkGuard(site.root, work)} && ${mine}`;
  const move = (): Promise<Answer> =>
    site.host
      .admin({ method: 'POST', path: `/apps/${id}`, guard, write: { path: at.plan(id), content: planText(plan) } })
      .catch((error: unknown) => ({ status: 0, body: messageOf(error), output: '' }));
  let answer = await move();
  if (answer.status === 412)
    throw new StaleLeaseError(`Another run has moved the traffic of ${id} meanwhile. Nothing was changed.`);
  const answered = answer.status === 200 || answer.status === 404 || answer.status === 409;
  let missed: unknown;
  if (answered && (saidBy(answer)?.token ?? null) !== tokenOf(work)) {
    // The workers have something else loaded than the files say: a reload was missed, or killed half way.
    missed = await reload(site, clock, '', answers(work, tokenOf(work))).catch((error: unknown) => error);
    if (missed === undefined) answer = await move();
  }
  const said = saidBy(answer);
  if (missed === undefined && said?.generation === plan.generation && said.digest === plan.digest) return;
  const previous = work.planText;
  // A restart must not load what was not taken over.
  await site.host.run(
    `${mine} || exit 0\n${previous === '' ? `rm -f ${quote(at.plan(id))}` : writeLines(at.plan(id), previous)}`,
  );
  const words = missed === undefined ? answer.body.trim().slice(0, 300) : messageOf(missed);
  throw new DeliveryError(
    `Nginx on ${site.name} did not take the plan of ${id} over (${answer.status || 'no answer'}): ${words}`,
    stillServing(work.live),
    { cause: missed },
  );
}

/**
 * A worker of the configuration before the last reload does not know the pools that the reload brought. It has left the listening
 * sockets, but a quiet client connection may still ask it: traffic moves to such a pool only when that is over.
 */
async function settle(site: Site, clock: Clock, work: Work, plan: PlanFile, loadedAt: number): Promise<void> {
  const reloadedNow = work.written;
  const known = new Set(work.live?.generation.pools ?? []);
  const introduced = reloadedNow
    ? work.rendered.pools.filter((pool) => !known.has(pool))
    : (work.live?.generation.introduced ?? []);
  if (!work.settings.gracefulReload || !plan.pools.some((pool) => introduced.includes(pool))) return;
  while (clock.now() - loadedAt < QUIET_MS) {
    const ran = await site.host.run(`${WORKERS}workers ${site.master}\n`);
    if (!readWorkers(ran.stdout).some(({ kind }) => kind === 'leaving')) return;
    await clock.sleep(100);
  }
}

function stillServing(live: Live | null): string {
  if (!live) return 'The app was not served by this Nginx before, and is not now.';
  const { plan, generation } = liveConfig(live);
  const shares = plan.targets
    .filter(({ weight }) => weight > 0)
    .map(({ version, weight }) => `${version} (${weight} %)`);
  return `Generation ${generation} still serves: ${shares.join(', ')}.`;
}
