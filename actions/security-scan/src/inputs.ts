import { maybe, optional, type Problem, problem, secret, type Values } from '@cd-actions/shared/action/inputs';
import { workspacePath } from '@cd-actions/shared/domain/container';
import { boolean, duration, type Grammar, list, oneOf, Refused } from '@cd-actions/shared/domain/grammar';
import { appName, imageReference } from '@cd-actions/shared/domain/names';
import { redisSecrets, redisUrl } from '@cd-actions/shared/domain/redis-url';
import { atLeast, SEVERITIES } from '@cd-actions/shared/gates/scan/finding';

/** In the order in which they run. */
export const SCANNERS = ['policy', 'trivy', 'grype', 'zap'] as const;
export type ScannerName = (typeof SCANNERS)[number];
/** Those that look at the image; the other one looks at the running candidate. */
export const OF_IMAGE: readonly ScannerName[] = ['policy', 'trivy', 'grype'];

/** The tools' own images, for Docker hosts, at the versions that the suite reads the reports of. */
export const TOOL_IMAGES = {
  trivy: 'ghcr.io/aquasecurity/trivy:0.69.3',
  grype: 'ghcr.io/anchore/grype:v0.110.0',
  zap: 'ghcr.io/zaproxy/zaproxy:2.17.0',
} as const;

const targetUrl: Grammar<string> = {
  allowed: 'an `http://` or `https://` URL without user or password',
  parse(raw) {
    if (raw.length > 2048 || !/^[\x21-\x7e]+$/.test(raw) || /["'`\\<>{}|^;]|\$\(|\.\.\//.test(raw))
      throw new Refused('is not a plain URL');
    const url = URL.canParse(raw) ? new URL(raw) : undefined;
    if (!url || !/^https?:\/\//.test(raw)) throw new Refused('is not an http or https URL');
    if (url.username !== '' || url.password !== '') throw new Refused('has a user or password');
    return raw;
  },
};

/** An OpenAPI description: a file of the checkout, or an address. */
const openapiSource: Grammar<string> = {
  allowed: `${workspacePath.allowed}, or ${targetUrl.allowed}`,
  parse: (raw) => (/^https?:/.test(raw) ? targetUrl.parse(raw) : workspacePath.parse(raw)),
};

export const inputs = {
  image: maybe(imageReference, ''),
  'target-url': maybe(targetUrl, ''),
  scanners: maybe(list(oneOf(...SCANNERS), { commas: true, max: 10 }), [] as readonly ScannerName[]),
  severity: optional(oneOf(...SEVERITIES), 'low'),
  'fail-on': optional(oneOf(...SEVERITIES, 'none'), 'high'),
  'ignore-unfixed': optional(boolean, 'false'),
  'ignore-file': maybe(workspacePath, ''),
  'sarif-file': maybe(workspacePath, ''),
  'report-file': maybe(workspacePath, ''),
  offline: optional(boolean, 'false'),
  file: optional(workspacePath, 'Dockerfile'),
  timeout: optional(duration(1_000, 3_600_000), '10m'),
  'zap-scan': optional(oneOf('baseline', 'full', 'api'), 'baseline'),
  openapi: maybe(openapiSource, ''),
  'sbom-file': maybe(workspacePath, ''),
  'redis-url': secret(maybe(redisUrl, ''), redisSecrets),
  app: maybe(appName, ''),
  environment: optional(appName, 'production'),
  'fail-on-new-only': optional(boolean, 'false'),
  'trivy-image': optional(imageReference, TOOL_IMAGES.trivy),
  'grype-image': optional(imageReference, TOOL_IMAGES.grype),
  'zap-image': optional(imageReference, TOOL_IMAGES.zap),
} as const;

export type Inputs = Values<typeof inputs>;

export function check(values: Inputs): readonly Problem[] {
  const { severity, 'fail-on': failOn } = values;
  const problems = [...checkTargets(values), ...checkZap(values), ...checkComparison(values)];
  if (failOn !== 'none' && !atLeast(failOn, severity))
    problems.push(
      problem(
        'fail-on',
        `\`${failOn}\` is less than \`severity\` \`${severity}\`: a finding would fail unseen. Lower \`severity\`.`,
      ),
    );
  const files = (['sarif-file', 'report-file', 'sbom-file'] as const).filter((name) => values[name] !== '');
  for (const [index, name] of files.entries()) {
    const other = files.slice(0, index).find((each) => values[each] === values[name]);
    if (other) problems.push(problem(name, `is the same file as \`${other}\`. Give them different names.`));
  }
  return problems;
}

function checkTargets(values: Inputs): readonly Problem[] {
  const { image, scanners, 'target-url': url } = values;
  const ofImage = scanners.filter((name) => OF_IMAGE.includes(name));
  const problems: Problem[] = [];
  if (image === '' && (ofImage.length > 0 || url === ''))
    problems.push(problem('image', 'there is nothing to scan. Give the image.'));
  if (scanners.includes('zap') && url === '')
    problems.push(problem('target-url', 'is missing, and `zap` looks at nothing else. Give the address.'));
  if (url !== '' && scanners.length > 0 && !scanners.includes('zap'))
    problems.push(problem('target-url', 'is for `zap`, which is not among `scanners`. Add it, or leave this out.'));
  if (
    values['sbom-file'] !== '' &&
    scanners.length > 0 &&
    !scanners.some((name) => name === 'trivy' || name === 'grype')
  )
    problems.push(problem('sbom-file', 'is written by `trivy` or `grype`. Add one of them to `scanners`.'));
  return problems;
}

function checkZap(values: Inputs): readonly Problem[] {
  const { 'zap-scan': scan, openapi, 'target-url': url } = values;
  const problems: Problem[] = [];
  if (scan !== 'baseline' && url === '')
    problems.push(problem('zap-scan', 'goes with `target-url`. Give the address, or leave this out.'));
  if (scan === 'api' && openapi === '')
    problems.push(problem('openapi', 'is missing, and `zap-scan: api` begins with it. Give a file or an address.'));
  if (scan !== 'api' && openapi !== '')
    problems.push(problem('openapi', 'goes with `zap-scan: api`. Say so, or leave this out.'));
  return problems;
}

function checkComparison(values: Inputs): readonly Problem[] {
  const { image, app, 'redis-url': redis, 'fail-on-new-only': newOnly } = values;
  const problems: Problem[] = [];
  if (app !== '' && redis === '')
    problems.push(problem('app', 'is looked up in the registry. Give `redis-url` too, or leave this out.'));
  if (newOnly && app === '')
    problems.push(problem('fail-on-new-only', 'compares with the live version. Give `app` and `redis-url` too.'));
  if (redis !== '' && image === '')
    problems.push(problem('redis-url', 'is for evidence about an image. Give the image too, or leave this out.'));
  return problems;
}
