import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
import { optional, type Values } from '@cd-actions/shared/action/inputs';
import { oneOf, size } from '@cd-actions/shared/domain/grammar';
import { imageReference } from '@cd-actions/shared/domain/names';

export const inputs = {
  ...deploymentInputs,
  redis: optional(oneOf('auto', 'managed', 'none'), 'auto'),
  'redis-image': optional(imageReference, 'redis:8.0'),
  'min-free-disk': optional(size, '2g'),
} as const;

export type Inputs = Values<typeof inputs>;
