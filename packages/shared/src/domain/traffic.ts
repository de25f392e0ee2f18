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

/**
 * A plan that gives `version` the weight and shares the rest among the others as they stood. `version` stands first unless it
 * stood elsewhere already: the order decides who is moved, and a user on the candidate must not be moved back.
 */
export function shift(current: TrafficPlan | null, version: string, weight: number): readonly Target[] {
  const others = (current?.targets ?? []).filter((target) => target.version !== version && target.weight > 0);
  const total = others.reduce((sum, target) => sum + target.weight, 0);
  if (weight >= 100 || total === 0) return [{ version, weight: 100 }];
  const rest = apportion(others, 100 - weight);
  return weight <= 0 ? rest : [{ version, weight }, ...rest];
}

/** Largest-remainder apportionment (Hamilton's method) of `seats` percent to the targets by their weights. */
function apportion(targets: readonly Target[], seats: number): Target[] {
  const total = targets.reduce((sum, target) => sum + target.weight, 0);
  const shares = targets.map((target) => ({ version: target.version, exact: (target.weight * seats) / total }));
  let left = seats - shares.reduce((sum, share) => sum + Math.floor(share.exact), 0);
  const byRemainder = [...shares].sort((a, b) => (b.exact % 1) - (a.exact % 1));
  const extra = new Set<string>();
  for (const share of byRemainder) {
    if (left <= 0) break;
    extra.add(share.version);
    left -= 1;
  }
  return shares
    .map((share) => ({ version: share.version, weight: Math.floor(share.exact) + (extra.has(share.version) ? 1 : 0) }))
    .filter((target) => target.weight > 0);
}
