import { maybe, optional, type Problem, problem, type Values } from '@cd-actions/shared/action/inputs';
import { workspacePath } from '@cd-actions/shared/domain/container';
import { boolean, duration, type Grammar, list, oneOf, Refused } from '@cd-actions/shared/domain/grammar';
import { imageReference } from '@cd-actions/shared/domain/names';
import { atLeast, SEVERITIES } from '@cd-actions/shared/gates/scan/finding';

/** In the order in which they run. */
export const SCANNERS = ['policy', 'trivy', 'grype', 'zap'] as const;
export type ScannerName = (typeof SCANNERS)[number];
/** Those of them that this version can run. */
export const SUPPORTED: readonly ScannerName[] = ['policy'];

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
} as const;

export type Inputs = Values<typeof inputs>;

export function check(values: Inputs): readonly Problem[] {
  const { image, scanners, severity, 'fail-on': failOn, 'target-url': url } = values;
  const problems: Problem[] = [];
  for (const name of new Set(scanners)) {
    if (!SUPPORTED.includes(name))
      problems.push(
        problem('scanners', `\`${name}\` is not supported yet in this version. Use ${SUPPORTED.join(', ')}.`),
      );
  }
  if (url !== '') problems.push(problem('target-url', 'is not supported yet in this version. Leave it out.'));
  else if (image === '') problems.push(problem('image', 'there is nothing to scan. Give the image.'));
  if (failOn !== 'none' && !atLeast(failOn, severity))
    problems.push(
      problem(
        'fail-on',
        `\`${failOn}\` is less than \`severity\` \`${severity}\`: a finding would fail unseen. Lower \`severity\`.`,
      ),
    );
  const [sarif, report] = [values['sarif-file'], values['report-file']];
  if (sarif !== '' && sarif === report)
    problems.push(problem('report-file', 'is the same file as `sarif-file`. Give them different names.'));
  return problems;
}
