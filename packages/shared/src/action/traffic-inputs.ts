import { workspacePath } from '../domain/container.ts';
import { boolean, type Grammar, integer, list, mapped, Refused } from '../domain/grammar.ts';
import { absolutePath, versionName } from '../domain/names.ts';
import { listenAddress, matchRule, pathPrefix, serverName } from '../domain/route.ts';
import type { Target } from '../domain/traffic.ts';
import { maybe, optional, type Problem, problem, type Values } from './inputs.ts';

const weight = integer(0, 100);

const target: Grammar<Target> = {
  allowed: '`version=weight`, such as `1.4.2=10`',
  parse(raw) {
    const at = raw.lastIndexOf('=');
    if (at < 0) throw new Refused('is not `version=weight`');
    return { version: versionName.parse(raw.slice(0, at)), weight: weight.parse(raw.slice(at + 1)) };
  },
};

/** A whole plan: each version once, the weights making 100. */
const targets: Grammar<readonly Target[]> = mapped(
  list(target, { commas: true, max: 10 }),
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
  template: maybe(workspacePath, ''),
} as const;

export type TrafficValues = Values<typeof trafficInputs>;

/** What the traffic inputs cannot say together, and what this version does not honour yet. */
export function checkTraffic(values: TrafficValues): readonly Problem[] {
  const problems: Problem[] = [];
  const plan = values.traffic.length > 0;
  if (plan && values.version !== '')
    problems.push(problem('traffic', 'says the whole plan, and `version` a part of it. Give one of the two.'));
  if (!plan && values.version === '')
    problems.push(problem('version', 'is required unless `traffic` gives the whole plan. Give one of the two.'));
  if (plan && values.weight !== 100)
    problems.push(problem('weight', 'belongs to `version`; with `traffic` leave it out.'));
  if ((values['tls-certificate'] === '') !== (values['tls-certificate-key'] === ''))
    problems.push(problem('tls-certificate', 'and `tls-certificate-key` go together. Give both or none.'));
  if (values.template !== '') problems.push(problem('template', 'is not supported yet in this version. Leave it out.'));
  return problems;
}
