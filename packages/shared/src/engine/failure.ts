import { UserError } from '../domain/errors.ts';
import type { FailedStep } from './steps.ts';
import { inert } from './text.ts';

/** What a failed step means to the user: its name, its error, its last lines as the cause. */
export function buildFailure(step: FailedStep): UserError {
  const lines = step.lines.map(inert).join('\n').trim();
  return new UserError(
    `The build failed in the step \`${step.title.slice(0, 300)}\`: ${inert(step.error).slice(0, 1000)}.`.replace(
      '..',
      '.',
    ),
    remedyFor(step.error),
    lines === '' ? undefined : { cause: new Error(`the step's last lines:\n${lines}`) },
  );
}

function remedyFor(error: string): string {
  if (/requires BuildKit|the --(mount|chmod|link|security|network) option/i.test(error))
    return 'The Dockerfile takes BuildKit: install Docker Buildx (docker/setup-buildx-action) and leave `builder` at `auto`.';
  if (/pull access denied|unauthorized|denied: |authentication required/i.test(error))
    return 'Check the name of the base image and the login to its registry.';
  if (/not found|manifest unknown|failed to resolve/i.test(error) && /pull|manifest|resolve|image/i.test(error))
    return 'Check the name and tag of the base image.';
  return 'The step is shown in the log above; put it right in the Dockerfile or in what it runs.';
}
