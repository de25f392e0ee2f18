import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
import { maybe, optional, type Values } from '@cd-actions/shared/action/inputs';
import { boolean, duration } from '@cd-actions/shared/domain/grammar';
import { sentence, versionName } from '@cd-actions/shared/domain/names';

export const inputs = {
  ...deploymentInputs,
  'to-version': maybe(versionName, ''),
  reason: maybe(sentence, ''),
  'drain-timeout': optional(duration(0, 3_600_000), '30s'),
  force: optional(boolean, 'false'),
} as const;

export type Inputs = Values<typeof inputs>;
