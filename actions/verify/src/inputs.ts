import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
import { maybe, notYet, optional, type Problem, required, type Values } from '@cd-actions/shared/action/inputs';
import { decimal, duration, httpUrl, integer, list, oneOf, pattern, text } from '@cd-actions/shared/domain/grammar';
import { versionName } from '@cd-actions/shared/domain/names';
import { check as checkGrammar } from '@cd-actions/shared/gates/probe/check';

/** Where users reach the app. */
const publicUrl = httpUrl('https://shop.example.com');

export const inputs = {
  ...deploymentInputs,
  url: required(publicUrl),
  'expect-version': maybe(versionName, ''),
  'version-header': optional(pattern('a header name', /^[A-Za-z0-9][A-Za-z0-9-]{0,126}$/, 127), 'X-Version'),
  checks: optional(list(checkGrammar, { max: 200 }), 'GET / 200-399'),
  script: maybe(text('a shell command', { multiline: true }), ''),
  duration: optional(duration(0, 86_400_000), '0s'),
  interval: optional(duration(50, 3_600_000), '1s'),
  'max-failures': maybe(integer(0, 1_000_000), null),
  'min-success-rate': maybe(decimal(0, 100), null),
  judge: maybe(text('the judge'), ''),
  mode: optional(oneOf('release', 'monitor'), 'release'),
} as const;

export type Inputs = Values<typeof inputs>;

/** What this version does not honour yet. */
export function check(values: Inputs): readonly Problem[] {
  if (values.judge === '') return [];
  return [notYet('judge')];
}
