import { type DeploymentId, poolName } from '../domain/names.ts';
import { type TrafficPlan, versionsIn } from '../domain/traffic.ts';
import { digest } from './layout.ts';

/** `plans/<id>.json`, and the body that the private server takes. */
export interface PlanFile {
  readonly id: DeploymentId;
  readonly generation: number;
  readonly digest: string;
  /** Every pool that a request can be sent to. */
  readonly pools: readonly string[];
  /** What the script reads on each request; see traffic-script.ts. */
  readonly serve: string;
  readonly plan: TrafficPlan;
}

export function planFile(id: DeploymentId, generation: number, plan: TrafficPlan): PlanFile {
  return {
    id,
    generation,
    digest: planDigest(plan),
    pools: versionsIn(plan).map((version) => poolName(id, version)),
    serve: serveLine(id, plan),
    plan,
  };
}

/** Says whether two plans are the same, whatever generation they were committed under. */
export function planDigest(plan: TrafficPlan): string {
  const { targets, rules, sticky, mirror, maintenance } = plan;
  return digest(
    JSON.stringify([
      targets.map(({ version, weight }) => [version, weight]),
      rules.map(({ kind, name, value, version }) => [kind, name, value, version]),
      sticky,
      mirror && [mirror.version, mirror.share],
      maintenance?.retryAfter ?? null,
    ]),
  );
}

/** The share of each target as the last bucket of 0..99 that it gets, in the plan's order; targets without weight are left out. */
export function bounds(plan: TrafficPlan): readonly { readonly version: string; readonly last: number }[] {
  let sum = 0;
  return plan.targets
    .filter((target) => target.weight > 0)
    .map(({ version, weight }) => {
      sum += weight;
      return { version, last: sum - 1 };
    });
}

function serveLine(id: DeploymentId, plan: TrafficPlan): string {
  if (plan.maintenance) return `M${plan.maintenance.retryAfter}`;
  const line = chosenLine(id, plan);
  return plan.mirror ? `C${plan.mirror.share} ${poolName(id, plan.mirror.version)}\t${line}` : line;
}

function chosenLine(id: DeploymentId, plan: TrafficPlan): string {
  const shares = bounds(plan);
  const only = shares[0];
  const line =
    shares.length === 1 && only
      ? `S${poolName(id, only.version)}`
      : `W${plan.sticky ? 1 : 0}${shares.map(({ version, last }) => `${String(last).padStart(2, '0')}${poolName(id, version)}`).join(' ')}`;
  if (plan.rules.length === 0) return line;
  const rules = plan.rules.map(({ kind, name, value, version }) => ({
    kind,
    name,
    value,
    pool: poolName(id, version),
  }));
  return `R${JSON.stringify(rules)}\t${line}`;
}

/** The file's text: a pure function, so that one edited by hand shows. */
export function planText(plan: PlanFile): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}

/** The plan of a file's text; null when it is absent, not one of ours, or its plan was changed by hand. */
export function readPlanFile(text: string): PlanFile | null {
  try {
    const file = JSON.parse(text) as PlanFile;
    return typeof file.generation === 'number' && file.digest === planDigest(file.plan) ? file : null;
  } catch {
    return null;
  }
}
