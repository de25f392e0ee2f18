/** A share of the traffic, in whole percent. */
export interface Target {
  readonly version: string;
  readonly weight: number;
}

/** Requests with this header or cookie value get `version` whatever the weights say: for testers. */
export interface MatchRule {
  readonly kind: 'header' | 'cookie';
  readonly name: string;
  readonly value: string;
  readonly version: string;
}

/** Which requests belong to the app. A change of it takes a reload. */
export interface Route {
  /** Ports or `address:port`. */
  readonly listen: readonly string[];
  readonly serverName: readonly string[];
  /** Begins with `/`. */
  readonly pathPrefix: string;
  /** Paths as Nginx sees them; null serves plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** A mustache template for the app's location, by its text; null is the built-in one. */
  readonly template: string | null;
  /** Where plain HTTP is answered with a redirect to HTTPS; only with `tls`. */
  readonly redirect?: readonly string[] | undefined;
  /** The HTML page that is shown in maintenance; a built-in one when absent. */
  readonly maintenancePage?: string | undefined;
}

/** Who gets which requests. A change of it needs no reload where Nginx has njs. */
export interface TrafficPlan {
  /** The newest version first: its share begins at bucket 0, so a growing weight never moves a user back. Weights sum to 100. */
  readonly targets: readonly Target[];
  readonly rules: readonly MatchRule[];
  /** A user keeps a version by a cookie while the weights stand or grow. */
  readonly sticky: boolean;
  /** Copies a share (percent) of requests to a version whose answers are thrown away. */
  readonly mirror: { readonly version: string; readonly share: number } | null;
  /** Answers everything with 503 and `Retry-After` (seconds). */
  readonly maintenance: { readonly retryAfter: number } | null;
}

/** A route and plan with the number under which they were committed. */
export interface Traffic {
  readonly generation: number;
  readonly route: Route;
  readonly plan: TrafficPlan;
}

/** The versions that a plan can send a request to. */
export function versionsIn(plan: TrafficPlan): readonly string[] {
  const versions = [...plan.targets.filter((target) => target.weight > 0), ...plan.rules].map((each) => each.version);
  return [...new Set(plan.mirror ? [...versions, plan.mirror.version] : versions)];
}

/** The weight of a version in a plan, 0 when absent. */
export function weightOf(plan: TrafficPlan, version: string): number {
  return plan.targets.find((target) => target.version === version)?.weight ?? 0;
}

/** The version with the largest share, the first of equals; undefined in a plan without targets. */
export function mainVersion(plan: TrafficPlan): string | undefined {
  return [...plan.targets].sort((a, b) => b.weight - a.weight)[0]?.version;
}

/** What a change of plan is about: the target whose weight grows most, else the one with the largest share. */
export function gaining(current: TrafficPlan | null, wanted: TrafficPlan): Target | undefined {
  const gain = (target: Target): number => target.weight - (current ? weightOf(current, target.version) : 0);
  const most = [...wanted.targets].sort((a, b) => gain(b) - gain(a))[0];
  if (most && gain(most) > 0) return most;
  return wanted.targets.find((target) => target.version === mainVersion(wanted));
}

/**
 * A plan that gives `version` the weight and shares the rest among the others in proportion. A version that is new to the plan stands
 * first; one that is in it keeps its place, because the order decides which users are moved: while its weight grows nobody is moved
 * away from it, and while it falls nobody is moved onto it.
 */
export function shift(current: TrafficPlan | null, version: string, weight: number): readonly Target[] {
  const targets = (current?.targets ?? []).filter((target) => target.weight > 0 || target.version === version);
  const place = Math.max(
    0,
    targets.findIndex((target) => target.version === version),
  );
  const others = targets.filter((target) => target.version !== version);
  if (weight >= 100 || others.length === 0) return [{ version, weight: 100 }];
  const shares = apportion(others, 100 - Math.max(0, weight));
  return [...shares.slice(0, place), { version, weight }, ...shares.slice(place)].filter((target) => target.weight > 0);
}

/**
 * Shares `seats` percent among the targets by their weights. It rounds the running total rather than each share: Hamilton's
 * method, which is nearer for each, can give a target more seats when there are fewer to give (the Alabama paradox), and so
 * move the edges of its neighbours to the wrong side.
 */
function apportion(targets: readonly Target[], seats: number): Target[] {
  const total = targets.reduce((sum, target) => sum + target.weight, 0);
  let before = 0;
  return targets.map((target) => {
    const start = Math.round((before * seats) / total);
    before += target.weight;
    return { version: target.version, weight: Math.round((before * seats) / total) - start };
  });
}
