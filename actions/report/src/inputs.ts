import {
  maybe,
  optional,
  type Problem,
  problem,
  required,
  secret,
  type Values,
} from '@cd-actions/shared/action/inputs';
import { boolean, integer, oneOf, pattern } from '@cd-actions/shared/domain/grammar';
import { appName, sentence, versionName } from '@cd-actions/shared/domain/names';

const httpUrl = pattern('an http or https URL', /^https?:\/\/[^\s<>"'`]{1,1000}$/, 1010);
const token = pattern('a token', /^[A-Za-z0-9][A-Za-z0-9_.-]{0,999}$/, 1000);

export const inputs = {
  app: required(appName),
  environment: optional(appName, 'production'),
  event: required(oneOf('started', 'finished', 'monitored')),
  verdict: maybe(oneOf('pass', 'fail', 'inconclusive'), '' as const),
  version: maybe(versionName, ''),
  'live-version': maybe(versionName, ''),
  'previous-version': maybe(versionName, ''),
  url: maybe(httpUrl, ''),
  message: maybe(sentence, ''),
  'deployment-id': maybe(integer(1, Number.MAX_SAFE_INTEGER), 0),
  comment: optional(boolean, 'true'),
  'github-token': secret(maybe(token, '')),
} as const;

export type Inputs = Values<typeof inputs>;

export function check(values: Inputs): readonly Problem[] {
  return values.event !== 'started' && values.verdict === ''
    ? [
        problem(
          'verdict',
          `is required with \`event: ${values.event}\`. Give the verdict that the delivery or the check came to.`,
        ),
      ]
    : [];
}
