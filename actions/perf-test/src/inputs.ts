import {
  maybe,
  notYet,
  optional,
  type Problem,
  problem,
  required,
  secret,
  type Values,
} from '@cd-actions/shared/action/inputs';
import { workspacePath } from '@cd-actions/shared/domain/container';
import {
  duration,
  type Grammar,
  httpUrl,
  integer,
  list,
  mapped,
  oneOf,
  pattern,
  Refused,
  text,
} from '@cd-actions/shared/domain/grammar';
import { targetPattern } from '@cd-actions/shared/gates/load/targets';
import { DEFAULT_THRESHOLDS, threshold } from '@cd-actions/shared/gates/load/thresholds';

/** What is put under load. */
const targetUrl = httpUrl('http://127.0.0.1:8080/api/items');

/** One header line. What the engine sets by itself cannot be given. */
const header: Grammar<readonly [name: string, value: string]> = {
  allowed: '`Name: value`',
  parse(raw) {
    const match = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}):[ \t]*([\x20-\x7e\t]{0,8192})$/.exec(raw);
    if (!match) throw new Refused('is not of the form `Name: value` in ASCII');
    const [, name = '', value = ''] = match;
    if (/^(content-length|transfer-encoding|connection|upgrade|expect|te|trailer)$/i.test(name))
      throw new Refused('names a header that the load engine sets itself');
    return [name, value];
  },
};

const SENSITIVE = /auth|cookie|token|secret|key|password|session/i;

/** The values of headers that hold credentials, and the credential after a scheme such as `Bearer`. */
function headerMasks(raw: string): readonly string[] {
  return raw.split(/\r?\n/).flatMap((line) => {
    const [, name = '', value = ''] = /^\s*([^:\s]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (!SENSITIVE.test(name) || value === '') return [];
    const credential = /^\S+\s+(\S.*)$/.exec(value)?.[1];
    return credential === undefined ? [value] : [value, credential];
  });
}

const thresholds = mapped(list(threshold, { commas: true, max: 50 }), (items) => {
  if (items.length === 0) throw new Refused('names no threshold');
  return items;
});

/** No run sends more requests than this, warm-up included. */
const MAX_REQUESTS = 5_000_000;

export const inputs = {
  'target-url': required(targetUrl),
  'baseline-url': maybe(targetUrl, ''),
  mode: optional(oneOf('performance', 'availability'), 'performance'),
  engine: optional(oneOf('builtin', 'autocannon', 'k6', 'jmeter', 'gatling'), 'builtin'),
  script: maybe(workspacePath, ''),
  rate: optional(integer(1, 20_000), '50'),
  connections: optional(integer(1, 5000), '64'),
  'connection-mode': optional(oneOf('mixed', 'keep-alive', 'fresh'), 'mixed'),
  duration: optional(duration(1000, 3_600_000), '30s'),
  warmup: optional(duration(0, 600_000), '5s'),
  timeout: optional(duration(10, 60_000), '10s'),
  method: optional(oneOf('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'), 'GET'),
  headers: secret(maybe(list(header, { max: 100 }), [] as readonly (readonly [string, string])[]), headerMasks),
  body: maybe(text('the body of every request', { multiline: true }), ''),
  'version-header': optional(pattern('a header name', /^[A-Za-z0-9][A-Za-z0-9-]{0,126}$/, 127), 'X-Version'),
  thresholds: optional(thresholds, DEFAULT_THRESHOLDS),
  'max-regression': maybe(text('how much slower than the baseline, such as `p95 10%`', { multiline: true }), ''),
  'allowed-targets': maybe(list(targetPattern, { commas: true, max: 100 }), [] as readonly string[]),
  'result-file': maybe(workspacePath, ''),
} as const;

export type Inputs = Values<typeof inputs>;

/** What this version does not honour yet, and what contradicts itself. */
export function check(values: Inputs): readonly Problem[] {
  return [...unsupported(values), ...contradictions(values)];
}

function unsupported(values: Inputs): readonly Problem[] {
  const problems: Problem[] = [];
  if (values.mode !== 'performance') problems.push(notYet('mode', 'Leave it at `performance`.'));
  if (values.engine !== 'builtin') problems.push(notYet('engine', 'Leave it at `builtin`.'));
  for (const input of ['baseline-url', 'script', 'max-regression'] as const)
    if (values[input] !== '') problems.push(notYet(input));
  return problems;
}

function contradictions(values: Inputs): readonly Problem[] {
  const problems: Problem[] = [];
  const { rate, method, body } = values;
  const requests = (rate * (values.duration + values.warmup)) / 1000;
  if (requests > MAX_REQUESTS)
    problems.push(
      problem(
        'duration',
        `with \`rate: ${rate}\` this sends ${Math.round(requests)} requests; ${MAX_REQUESTS} is the most.`,
      ),
    );
  if (body !== '' && /^(GET|HEAD|OPTIONS)$/.test(method))
    problems.push(problem('body', `is not sent with ${method}. Give a \`method\` that has a body, such as POST.`));
  for (const { metric, limit, text: written } of values.thresholds) {
    if (metric === 'rps' && limit > rate)
      problems.push(problem('thresholds', `\`${written}\` cannot be met when \`rate\` sends ${rate} a second.`));
  }
  return problems;
}
