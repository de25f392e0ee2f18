import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
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
import {
  assignment,
  keyValue,
  networkName,
  requestPath,
  statusRanges,
  volume,
  words,
  workspacePath,
} from '@cd-actions/shared/domain/container';
import { boolean, decimal, duration, integer, list, oneOf, pattern, size } from '@cd-actions/shared/domain/grammar';
import { imageReference, versionName } from '@cd-actions/shared/domain/names';

const none: readonly (readonly [string, string])[] = [];

export const inputs = {
  ...deploymentInputs,
  image: required(imageReference),
  version: required(versionName),
  port: required(integer(1, 65_535)),
  replicas: optional(integer(1, 100), '1'),
  env: maybe(list(assignment), none),
  'env-file': maybe(workspacePath, ''),
  'secret-env': secret(maybe(list(assignment), none), secretValues),
  command: maybe(words, [] as readonly string[]),
  volumes: maybe(list(volume), [] as readonly string[]),
  networks: maybe(list(networkName, { commas: true }), [] as readonly string[]),
  memory: maybe(size, 0),
  cpus: maybe(decimal(0.01, 1024), 0),
  labels: maybe(list(keyValue), none),
  'log-driver': maybe(pattern('a Docker logging driver', /^[a-z][a-z0-9/_.:-]{0,127}$/, 128), ''),
  'log-options': maybe(list(keyValue), none),
  'health-path': optional(requestPath, '/health'),
  'health-port': maybe(integer(1, 65_535), 0),
  'health-status': optional(statusRanges, '200-299'),
  'health-timeout': optional(duration(1000, 3_600_000), '60s'),
  'health-interval': optional(duration(50, 60_000), '500ms'),
  'health-stable': optional(duration(0, 600_000), '2s'),
  'stop-timeout': optional(duration(0, 3_600_000), '30s'),
  'before-start': maybe(words, [] as readonly string[]),
  orchestrator: optional(oneOf('docker', 'compose', 'swarm'), 'docker'),
  'compose-file': maybe(workspacePath, ''),
  service: maybe(pattern('a Compose service name', /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 63), ''),
  'require-evidence': maybe(
    list(oneOf('security-scan', 'zap-scan', 'perf-test'), { commas: true }),
    [] as readonly string[],
  ),
  'evidence-max-age': maybe(duration(1_000, 366 * 86_400_000), 0),
  'allow-older': optional(boolean, 'false'),
} as const;

export type Inputs = Values<typeof inputs>;

/** Contradictions between inputs that are right by themselves. */
export function check(values: Inputs): readonly Problem[] {
  const problems: Problem[] = [];
  if (values.orchestrator !== 'docker') problems.push(notYet('orchestrator', 'Use `docker`.'));
  for (const name of ['compose-file', 'service'] as const) if (values[name] !== '') problems.push(notYet(name));
  const plain = new Set(values.env.map(([name]) => name));
  for (const [name] of values['secret-env']) {
    if (plain.has(name)) problems.push(problem('secret-env', `${name} is given in \`env\` too. Give it once.`));
  }
  for (const [key] of values.labels) {
    if (key.startsWith('cd-actions.'))
      problems.push(
        problem('labels', `${key} begins with \`cd-actions.\`, which is the suite's own. Choose another key.`),
      );
  }
  if (values['evidence-max-age'] > 0 && values['require-evidence'].length === 0)
    problems.push(problem('evidence-max-age', 'goes with `require-evidence`. Give that too, or leave this out.'));
  if (values['health-interval'] > values['health-timeout']) {
    problems.push(
      problem(
        'health-interval',
        'is longer than `health-timeout`, so there would be one probe at most. Make it shorter.',
      ),
    );
  }
  return problems;
}

/** The values of `NAME=value` lines; a value of a few characters would mask half the log. */
function secretValues(raw: string): readonly string[] {
  return raw
    .split(/\r?\n/)
    .map((line) => line.slice(line.indexOf('=') + 1).trim())
    .filter((value) => value.length >= 4);
}
