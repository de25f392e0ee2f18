import type { Deployment } from '../domain/deployment.ts';
import { UserError } from '../domain/errors.ts';
import { type MatchRule, type Route, shift, type Target, type TrafficPlan } from '../domain/traffic.ts';

/** What a user wishes of an app's traffic: one version and its weight, or the whole plan, and the route. */
export interface TrafficWish {
  /** Empty when `traffic` says the whole plan. */
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
}

/**
 * The traffic wished for, from what is live now. Rules send testers to `version`, or to the first version of a whole plan.
 * Throws `UserError` when a version is to give up its traffic and no other one could take it.
 */
export function plannedTraffic(
  wish: TrafficWish,
  deployment: Deployment,
): { readonly route: Route; readonly plan: TrafficPlan } {
  const current = deployment.traffic?.plan ?? null;
  const targets = wish.traffic.length > 0 ? ordered(wish.traffic, current) : shifted(wish, current);
  const tested = wish.version || (wish.traffic[0]?.version ?? '');
  const rule = (kind: MatchRule['kind'], match: TrafficWish['match-header']): readonly MatchRule[] =>
    match === null ? [] : [{ kind, ...match, version: tested }];
  const certificate = wish['tls-certificate'];
  return {
    route: {
      listen: wish.listen,
      serverName: wish['server-name'],
      pathPrefix: wish['path-prefix'],
      tls: certificate === '' ? null : { certificate, key: wish['tls-certificate-key'] },
      template: null,
    },
    plan: {
      targets,
      rules: [...rule('header', wish['match-header']), ...rule('cookie', wish['match-cookie'])],
      sticky: wish.sticky,
      mirror: null,
      maintenance: null,
    },
  };
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
