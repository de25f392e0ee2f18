import type { Ask } from './api.ts';

/** GitHub refuses a longer one (https://docs.github.com/rest/deployments). */
const DESCRIPTION_LIMIT = 140;

export interface DeploymentState {
  readonly id: number;
  readonly state: 'in_progress' | 'success' | 'failure' | 'error';
  readonly description: string;
  /** Where the environment's users come in; empty when unknown. */
  readonly url: string;
  /** The run. */
  readonly logUrl: string;
}

/** Opens a Deployment of a commit and returns its id. No status check is waited for: this delivery is under way already. */
export async function openDeployment(
  ask: Ask,
  {
    sha,
    environment,
    description,
  }: { readonly sha: string; readonly environment: string; readonly description: string },
): Promise<number> {
  const { id } = (await ask('POST /repos/{owner}/{repo}/deployments', {
    ref: sha,
    environment,
    description: description.slice(0, DESCRIPTION_LIMIT),
    auto_merge: false,
    required_contexts: [],
  })) as { id: number };
  return id;
}

/** Says how a Deployment stands. A success makes the earlier ones of its environment inactive. */
export async function tellDeployment(
  ask: Ask,
  { id, state, description, url, logUrl }: DeploymentState,
): Promise<void> {
  await ask('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
    deployment_id: id,
    state,
    description: description.slice(0, DESCRIPTION_LIMIT),
    log_url: logUrl,
    ...(url === '' ? {} : { environment_url: url }),
    auto_inactive: true,
  });
}
