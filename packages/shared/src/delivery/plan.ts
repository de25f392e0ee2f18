import { type Deployment, findRelease } from '../domain/deployment.ts';
import { UserError } from '../domain/errors.ts';
import {
  type MatchRule,
  type Route,
  shift,
  type Target,
  type TrafficPlan,
  versionsIn,
  weightOf,
} from '../domain/traffic.ts';

/** What a user wishes of an app's traffic: one version and its weight, or the whole plan, and the route. */
export interface TrafficWish {
  /** Empty when `traffic` says the whole plan, or when only maintenance is wished for. */
  readonly version: string;
  readonly weight: number;
  /** Empty when `version` and `weight` are given. */
  readonly traffic: readonly Target[];
  readonly listen: readonly string[];
  readonly 'server-name': readonly string[];
  readonly 'path-prefix': string;
  readonly 'match-header': { readonly name: string; readonly value: string } | null;
  readonly 'match-cookie': { readonly name: string; readonly value: string } | null;
  readonly sticky: boolean;
  /** Empty for plain HTTP. */
  readonly 'tls-certificate': string;
  readonly 'tls-certificate-key': string;
  /** Those of `listen` that stay plain HTTP when there is a certificate. */
  readonly 'redirect-http': readonly string[];
  readonly mirror?: TrafficPlan['mirror'];
  /** Null when nothing is said of it: a switch ends maintenance. */
  readonly maintenance?: 'off' | { readonly retryAfter: number } | null;
}

/** Texts of files that the user named. */
export interface TrafficFiles {
  /** Null for the built-in template. */
  readonly template: string | null;
  /** Null leaves the page that the app has. */
  readonly maintenancePage: string | null;
}

export const NO_FILES: TrafficFiles = { template: null, maintenancePage: null };

export interface PlannedTraffic {
  readonly route: Route;
  readonly plan: TrafficPlan;
  /** Candidates that were given the weight 0: they go for good, at once and whatever becomes of other versions. */
  readonly abandoned: readonly string[];
}

/**
 * The traffic wished for, from what is live now. Rules send testers to `version`, or to the first version of a whole plan. Maintenance
 * without a version keeps route and plan as they are.
 * Throws `UserError` when a version is to give up its traffic and no other one could take it.
 */
export function plannedTraffic(
  wish: TrafficWish,
  deployment: Deployment,
  files: TrafficFiles = NO_FILES,
): PlannedTraffic {
  if (wish.version === '' && wish.traffic.length === 0) return maintained(wish, deployment, files);
  const current = deployment.traffic?.plan ?? null;
  const targets = wish.traffic.length > 0 ? ordered(wish.traffic, current) : shifted(wish, current);
  const tested = wish.version || (wish.traffic[0]?.version ?? '');
  const rule = (kind: MatchRule['kind'], match: TrafficWish['match-header']): readonly MatchRule[] =>
    match === null ? [] : [{ kind, ...match, version: tested }];
  const plan: TrafficPlan = {
    targets,
    rules: [...rule('header', wish['match-header']), ...rule('cookie', wish['match-cookie'])],
    sticky: wish.sticky,
    mirror: wish.mirror ?? null,
    maintenance: typeof wish.maintenance === 'object' ? wish.maintenance : null,
  };
  const page = files.maintenancePage ?? deployment.traffic?.route.maintenancePage;
  return { route: routeOf(wish, files.template, page), plan, abandoned: abandoned(wish, deployment, plan) };
}

function routeOf(wish: TrafficWish, template: string | null, page: string | undefined): Route {
  const { listen, redirect } = addresses(wish);
  const certificate = wish['tls-certificate'];
  return {
    listen,
    serverName: wish['server-name'],
    pathPrefix: wish['path-prefix'],
    tls: certificate === '' ? null : { certificate, key: wish['tls-certificate-key'] },
    template,
    ...(redirect.length > 0 ? { redirect } : {}),
    ...(page === undefined ? {} : { maintenancePage: page }),
  };
}

/** With a certificate port 80 stays plain and redirects; HTTPS is then at 443 unless another address is listed. */
function addresses(wish: TrafficWish): { readonly listen: readonly string[]; readonly redirect: readonly string[] } {
  if (wish['tls-certificate'] === '') return { listen: wish.listen, redirect: [] };
  const plain = (listen: string): boolean =>
    wish['redirect-http'].some((each) => each === listen || each === listen.slice(listen.lastIndexOf(':') + 1));
  const secure = wish.listen.filter((listen) => !plain(listen));
  return { listen: secure.length > 0 ? secure : ['443'], redirect: wish.listen.filter(plain) };
}

function shifted({ version, weight }: TrafficWish, current: TrafficPlan | null): readonly Target[] {
  const others = (current?.targets ?? []).some((target) => target.version !== version && target.weight > 0);
  if (weight === 0 && !others)
    throw new UserError(
      `${version} cannot be given the weight 0: no other version has traffic that could take its share.`,
      'Give another version the traffic first.',
    );
  return shift(current, version, weight);
}

/** Versions that have traffic keep their places, so that nobody is moved for the order in which a plan was written; new ones stand before them. */
function ordered(wished: readonly Target[], current: TrafficPlan | null): readonly Target[] {
  const place = (target: Target): number =>
    current?.targets.findIndex((each) => each.version === target.version && each.weight > 0) ?? -1;
  return wished.filter((target) => target.weight > 0).sort((a, b) => place(a) - place(b));
}

/** Given the weight 0, of no use to testers or a mirror either, and newer than all that keeps traffic: not what a rollback returns to. */
function abandoned(wish: TrafficWish, deployment: Deployment, plan: TrafficPlan): readonly string[] {
  const named = wish.version === '' ? wish.traffic : [{ version: wish.version, weight: wish.weight }];
  const serving = versionsIn(plan);
  const staying = serving.filter((version) => weightOf(plan, version) > 0);
  return named
    .filter((target) => target.weight === 0 && !serving.includes(target.version))
    .map((target) => target.version)
    .filter((version) => staying.every((other) => isNewer(deployment, version, other)));
}

/** By the order of releases; of two builds of one commit the one that was registered later. */
function isNewer(deployment: Deployment, version: string, other: string): boolean {
  const [a, b] = [findRelease(deployment, version), findRelease(deployment, other)];
  if (!a || !b) return a !== undefined;
  return a.order === b.order ? a.registeredAt > b.registeredAt : a.order > b.order;
}

function maintained(wish: TrafficWish, deployment: Deployment, files: TrafficFiles): PlannedTraffic {
  const { traffic } = deployment;
  if (!traffic)
    throw new UserError(
      `${deployment.id} has no live traffic yet, so there is nothing to maintain.`,
      'Give a `version`.',
    );
  refuseOtherRoute(wish, traffic.route, files.template);
  const maintenance = typeof wish.maintenance === 'object' ? wish.maintenance : null;
  const page = files.maintenancePage === null ? {} : { maintenancePage: files.maintenancePage };
  return { route: { ...traffic.route, ...page }, plan: { ...traffic.plan, maintenance }, abandoned: [] };
}

/** The inputs that say nothing else than their defaults say nothing; a step that repeats the live route is as good. */
const UNSAID = { listen: '["80"]', serverName: '["_"]', pathPrefix: '"/"', tls: 'null', template: 'null' } as const;

function refuseOtherRoute(wish: TrafficWish, live: Route, template: string | null): void {
  const wished = routeOf(wish, template, undefined);
  for (const [name, unsaid] of Object.entries(UNSAID) as [keyof typeof UNSAID, string][]) {
    const said = JSON.stringify(wished[name]);
    if (said === unsaid || said === JSON.stringify(live[name])) continue;
    throw new UserError(
      `Maintenance without a version leaves the route as it is, and \`${INPUT[name]}\` says another than the live one.`,
      'Leave it out, or give a `version` too.',
    );
  }
}

const INPUT = {
  listen: 'listen',
  serverName: 'server-name',
  pathPrefix: 'path-prefix',
  tls: 'tls-certificate',
  template: 'template',
} as const;
