import { workspacePath } from '../domain/container.ts';
import { boolean, duration, type Grammar, integer, list, mapped, Refused } from '../domain/grammar.ts';
import { absolutePath, versionName } from '../domain/names.ts';
import { listenAddress, matchRule, pathPrefix, serverName } from '../domain/route.ts';
import type { Target } from '../domain/traffic.ts';
import { maybe, optional, type Problem, problem, type Values } from './inputs.ts';

/** `version=number`. */
function shareOf(share: Grammar<number>): Grammar<Target> {
  return {
    allowed: '`version=weight`, such as `1.4.2=10`',
    parse(raw) {
      const at = raw.lastIndexOf('=');
      if (at < 0) throw new Refused('is not `version=weight`');
      return { version: versionName.parse(raw.slice(0, at)), weight: share.parse(raw.slice(at + 1)) };
    },
  };
}

const weight = integer(0, 100);

/** A whole plan: each version once, the weights making 100. */
const targets: Grammar<readonly Target[]> = mapped(
  list(shareOf(weight), { commas: true, max: 10 }),
  (found) => {
    if (found.length === 0) throw new Refused('names no version');
    const twice = found.find((each, index) => found.findIndex(({ version }) => version === each.version) !== index);
    if (twice) throw new Refused(`names ${twice.version} twice`);
    const sum = found.reduce((total, each) => total + each.weight, 0);
    if (sum !== 100) throw new Refused(`has weights that sum to ${sum}, not to 100`);
    return found;
  },
  '`version=weight`, one a line, the newest first, such as `1.4.2=10` and `1.4.1=90`; the weights sum to 100',
);

/** A share of the reads to copy. */
const mirror = mapped(
  shareOf(integer(1, 100)),
  ({ version, weight: share }) => ({ version, share }),
  '`version=share`, such as `1.4.2=10` for a tenth of the reads; the share is from 1 to 100',
);

/** `Retry-After` of `maintenance: on`, seconds. */
const RETRY_AFTER = 60;
const retryAfter = duration(1000, 86_400_000);

const maintenance: Grammar<'off' | { readonly retryAfter: number }> = {
  allowed: '`on`, `off`, or the duration after which clients may ask again, such as `120s`, from 1s to 24h',
  parse(raw) {
    if (raw === 'off') return 'off';
    if (raw === 'on') return { retryAfter: RETRY_AFTER };
    return { retryAfter: Math.ceil(retryAfter.parse(raw) / 1000) };
  },
};

/** At least one, each once. */
function some(item: Grammar<string>, what: string): Grammar<readonly string[]> {
  return mapped(list(item, { commas: true, max: 100 }), (found) => {
    if (found.length === 0) throw new Refused(`names no ${what}`);
    return [...new Set(found)];
  });
}

/** The inputs that say which requests belong to the app and which version gets them. */
export const trafficInputs = {
  version: maybe(versionName, ''),
  weight: optional(weight, '100'),
  traffic: maybe(targets, [] as readonly Target[]),
  listen: optional(some(listenAddress, 'port'), '80'),
  'server-name': optional(some(serverName, 'host name'), '_'),
  'path-prefix': optional(pathPrefix, '/'),
  'match-header': maybe(matchRule('header'), null),
  'match-cookie': maybe(matchRule('cookie'), null),
  sticky: optional(boolean, 'true'),
  'tls-certificate': maybe(absolutePath, ''),
  'tls-certificate-key': maybe(absolutePath, ''),
  'redirect-http': optional(some(listenAddress, 'port'), '80'),
  template: maybe(workspacePath, ''),
} as const;

/** What a switch can do besides: copy reads, and close the app for a while. */
export const besideInputs = {
  mirror: maybe(mirror, null),
  maintenance: maybe(maintenance, null),
  'maintenance-page': maybe(workspacePath, ''),
} as const;

export type TrafficValues = Values<typeof trafficInputs>;
export type BesideValues = Values<typeof besideInputs>;

/** What the traffic inputs cannot say together. */
export function checkTraffic(values: TrafficValues, beside?: BesideValues): readonly Problem[] {
  const plan = values.traffic.length > 0;
  if (!plan && values.version === '' && beside?.maintenance) return checkMaintenance(values, beside);
  const problems: Problem[] = [];
  if (plan && values.version !== '')
    problems.push(problem('traffic', 'says the whole plan, and `version` a part of it. Give one of the two.'));
  if (!plan && values.version === '')
    problems.push(
      problem(
        'version',
        `is required unless \`traffic\` gives the whole plan${beside ? ' or `maintenance` is all that changes' : ''}. Give one of them.`,
      ),
    );
  if (plan && values.weight !== 100)
    problems.push(problem('weight', 'belongs to `version`; with `traffic` leave it out.'));
  if ((values['tls-certificate'] === '') !== (values['tls-certificate-key'] === ''))
    problems.push(problem('tls-certificate', 'and `tls-certificate-key` go together. Give both or none.'));
  return problems;
}

/** Maintenance alone leaves the traffic as it is: nothing that says otherwise may stand beside it. */
function checkMaintenance(values: TrafficValues, beside: BesideValues): readonly Problem[] {
  const said = {
    weight: values.weight !== 100,
    'match-header': values['match-header'] !== null,
    'match-cookie': values['match-cookie'] !== null,
    sticky: !values.sticky,
    mirror: beside.mirror !== null,
  };
  return Object.entries(said)
    .filter(([, given]) => given)
    .map(([name]) =>
      problem(
        name,
        '`maintenance` without a version leaves the traffic as it is. Leave this out, or give a `version`.',
      ),
    );
}
