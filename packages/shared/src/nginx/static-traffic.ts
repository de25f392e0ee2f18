import type { ProxyConfig } from '../delivery/ports.ts';
import { poolName } from '../domain/names.ts';
import { digest } from './layout.ts';
import { bounds } from './plan-file.ts';

/** Who gets which requests, for an Nginx without njs: written into the configuration, moved by a reload. */
export interface StaticTraffic {
  /** The variable, or the pool's name when there is nothing to choose. */
  readonly pool: string;
  readonly split: {
    readonly key: string;
    readonly variable: string;
    readonly shares: readonly { readonly percent: string; readonly pool: string }[];
  } | null;
  readonly maps: readonly {
    readonly source: string;
    readonly variable: string;
    readonly pattern: string;
    readonly matched: string;
    readonly otherwise: string;
  }[];
  readonly cookie: string | null;
  /** Copies a share of the reads; `variable` names the pool or is empty. */
  readonly copy: { readonly variable: string; readonly share: number; readonly pool: string } | null;
  readonly retryAfter: number;
}

type Map = StaticTraffic['maps'][number];

export function staticTraffic({ id, plan }: ProxyConfig): StaticTraffic {
  const suffix = digest(id).slice(0, 12);
  const shares = bounds(plan);
  const only = shares.length === 1 ? shares[0] : undefined;
  const weights = `cd_weights_${suffix}`;
  const split = only
    ? null
    : {
        key: plan.sticky ? '$cd_client' : '$request_id',
        variable: weights,
        shares: shares.map(({ version, last }, index) => ({
          percent: last === 99 ? '*' : `${last - (shares[index - 1]?.last ?? -1)}%`,
          pool: poolName(id, version),
        })),
      };
  let chosen = only ? poolName(id, only.version) : `$${weights}`;
  const maps: Map[] = [];
  for (const [index, rule] of [...plan.rules.entries()].reverse()) {
    const variable = `cd_rule${index}_${suffix}`;
    maps.push({
      source: rule.kind === 'header' ? `$http_${rule.name.toLowerCase().replaceAll('-', '_')}` : `$cookie_${rule.name}`,
      variable,
      // A plain string in a map is compared without regard to case; the grammar leaves `.` as the only character to escape.
      pattern: `"~^${rule.value.replaceAll('.', '\\.')}$"`,
      matched: poolName(id, rule.version),
      otherwise: chosen,
    });
    chosen = `$${variable}`;
  }
  const pool = `cd_pool_${suffix}`;
  maps.push({
    source: '$request_method',
    variable: pool,
    pattern: '"never"',
    matched: '""',
    otherwise: plan.maintenance ? '""' : chosen,
  });
  const sets = plan.sticky && split !== null && !plan.maintenance;
  return {
    pool: `$${pool}`,
    split,
    maps,
    cookie: sets ? '$cd_new_cookie' : null,
    copy:
      plan.mirror && !plan.maintenance
        ? { variable: `cd_copy_${suffix}`, share: plan.mirror.share, pool: poolName(id, plan.mirror.version) }
        : null,
    retryAfter: plan.maintenance?.retryAfter ?? 10,
  };
}
