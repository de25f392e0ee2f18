import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
import { maybe, type Problem, type Values } from '@cd-actions/shared/action/inputs';
import { checkTraffic, trafficInputs } from '@cd-actions/shared/action/traffic-inputs';
import { workspacePath } from '@cd-actions/shared/domain/container';

export const inputs = {
  ...deploymentInputs,
  ...trafficInputs,
  output: maybe(workspacePath, ''),
} as const;

export type Inputs = Values<typeof inputs>;

export function check(values: Inputs): readonly Problem[] {
  return checkTraffic(values);
}
