import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
import { maybe, notYet, optional, type Problem, problem, type Values } from '@cd-actions/shared/action/inputs';
import { besideInputs, checkTraffic, trafficInputs } from '@cd-actions/shared/action/traffic-inputs';
import { workspacePath } from '@cd-actions/shared/domain/container';
import { boolean, duration, integer, list, oneOf, text } from '@cd-actions/shared/domain/grammar';
import { sentence } from '@cd-actions/shared/domain/names';

export const inputs = {
  ...deploymentInputs,
  ...trafficInputs,
  ...besideInputs,
  output: maybe(workspacePath, ''),
  steps: optional(list(integer(1, 100), { commas: true, max: 100 }), '5,25,50,100'),
  'step-interval': optional(duration(0, 86_400_000), '10s'),
  analysis: maybe(text('the judge between steps'), ''),
  'drain-timeout': optional(duration(0, 3_600_000), '30s'),
  'keep-previous': optional(oneOf('running', 'stopped', 'none'), 'running'),
  reason: maybe(sentence, ''),
  remove: optional(boolean, 'false'),
  activation: optional(oneOf('auto', 'instant', 'reload'), 'auto'),
  'require-evidence': maybe(
    list(oneOf('security-scan', 'zap-scan', 'perf-test'), { commas: true }),
    [] as readonly string[],
  ),
  'evidence-max-age': maybe(duration(1_000, 366 * 86_400_000), 0),
} as const;

export type Inputs = Values<typeof inputs>;

/** Contradictions, and what this version does not honour yet. */
export function check(values: Inputs): readonly Problem[] {
  const problems = [...(values.remove ? checkRemove(values) : checkTraffic(values, values))];
  if (values.analysis !== '') problems.push(notYet('analysis'));
  const ascending = values.steps.every((weight, index) => index === 0 || weight > (values.steps[index - 1] ?? 0));
  if (values['evidence-max-age'] > 0 && values['require-evidence'].length === 0)
    problems.push(problem('evidence-max-age', 'goes with `require-evidence`. Give that too, or leave this out.'));
  if (!ascending) problems.push(problem('steps', 'must grow from one step to the next, such as `5,25,50,100`.'));
  return problems;
}

/** An app that goes has no use for what says how it is to be served. */
function checkRemove(values: Inputs): readonly Problem[] {
  const useless = { ...trafficInputs, ...besideInputs, output: inputs.output };
  return (Object.keys(useless) as (keyof typeof useless)[])
    .filter((name) => JSON.stringify(values[name]) !== JSON.stringify(useless[name].absent))
    .map((name) => problem(name, 'says how the app is served, and `remove` takes it away. Leave one of the two out.'));
}
