import { messageOf } from '@cd-actions/shared/domain/errors';
import type { RunIdentity } from '@cd-actions/shared/domain/run';
import type { Inputs } from './inputs.ts';

/** What is told to GitHub; each call may be refused. */
export interface GitHub {
  openDeployment(what: { sha: string; environment: string; description: string }): Promise<number>;
  tellDeployment(state: {
    id: number;
    state: 'in_progress' | 'success' | 'failure' | 'error';
    description: string;
    url: string;
    logUrl: string;
  }): Promise<void>;
  releaseNotes(from: string, to: string): Promise<string>;
  pullRequestOf(sha: string): Promise<number | null>;
  stickyComment(number: number, key: string, text: string): Promise<string>;
  reportTrouble(trouble: { key: string; title: string; text: string }): Promise<string>;
  reportRecovery(key: string, text: string): Promise<string>;
}

export interface Dependencies {
  /** Null without a token. */
  readonly github: GitHub | null;
  readonly run: RunIdentity;
  /** Of the event; null when it is about none. */
  readonly pullRequest: number | null;
  readonly warn: (message: string) => void;
}

export interface Reported {
  /** 0 when there is none. */
  readonly deployment: number;
  readonly commentUrl: string;
  readonly issueUrl: string;
  readonly notes: string;
}

const NOTHING: Reported = { deployment: 0, commentUrl: '', issueUrl: '', notes: '' };
const WORDS = { pass: 'live and verified', fail: 'failed', inconclusive: 'not finished', '': 'under way' } as const;
const STATES = { pass: 'success', fail: 'failure', inconclusive: 'error', '': 'in_progress' } as const;

/** Tells GitHub how a delivery or a monitored app stands. What GitHub refuses is a warning: a delivery never fails for its report. */
export async function main(inputs: Inputs, deps: Dependencies): Promise<Reported> {
  const { github, warn } = deps;
  if (!github) {
    warn('No `github-token` was given: nothing is told to GitHub.');
    return { ...NOTHING, deployment: inputs['deployment-id'] };
  }
  const attempt = async <T>(what: string, right: string, otherwise: T, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      warn(`GitHub did not let ${what}: ${messageOf(error)}. The job's token needs \`${right}\`.`);
      return otherwise;
    }
  };
  if (inputs.event === 'monitored') {
    const issueUrl = await attempt('tell in an issue', 'issues: write', '', () => monitored(inputs, deps.run, github));
    return { ...NOTHING, issueUrl };
  }
  const deployment = await attempt('record the deployment', 'deployments: write', inputs['deployment-id'], () =>
    recorded(inputs, deps.run, github),
  );
  if (inputs.event === 'started') return { ...NOTHING, deployment };
  const notes = await attempt('compare the versions', 'contents: read', '', () => noted(inputs, deps.run, github));
  const commentUrl = await attempt('comment on the pull request', 'pull-requests: write', '', () =>
    commented(inputs, deps, github, notes),
  );
  return { ...NOTHING, deployment, notes, commentUrl };
}

const key = ({ app, environment }: Inputs): string => `${app}@${environment}`;
const titleOf = (inputs: Inputs): string => `${inputs.version || key(inputs)} ${WORDS[inputs.verdict]}`;

async function recorded(inputs: Inputs, run: RunIdentity, github: GitHub): Promise<number> {
  const description = inputs.message || `${inputs.app}: ${titleOf(inputs)}`;
  const id =
    inputs['deployment-id'] ||
    (await github.openDeployment({ sha: run.sha, environment: inputs.environment, description }));
  await github.tellDeployment({ id, state: STATES[inputs.verdict], description, url: inputs.url, logUrl: run.url });
  return id;
}

/** Only a delivery that brought something has news. */
async function noted(inputs: Inputs, run: RunIdentity, github: GitHub): Promise<string> {
  const from = inputs['previous-version'];
  return inputs.verdict === 'pass' && from !== '' && from !== inputs.version ? github.releaseNotes(from, run.sha) : '';
}

async function commented(inputs: Inputs, deps: Dependencies, github: GitHub, notes: string): Promise<string> {
  if (!inputs.comment) return '';
  const number = deps.pullRequest ?? (await github.pullRequestOf(deps.run.sha));
  if (number === null) return '';
  const serves = inputs['live-version'] ? ` Live now: \`${inputs['live-version']}\`.` : '';
  const text = `**${inputs.app}**, ${inputs.environment}: ${titleOf(inputs)}.${serves} [Run](${deps.run.url})`;
  return github.stickyComment(number, key(inputs), [text, inputs.message, notes].filter(Boolean).join('\n\n'));
}

async function monitored(inputs: Inputs, run: RunIdentity, github: GitHub): Promise<string> {
  const said = inputs.message ? ` ${inputs.message}` : '';
  if (inputs.verdict === 'pass') return github.reportRecovery(key(inputs), `It answers again. [Run](${run.url})`);
  // Nothing could be judged: neither an alarm nor an all-clear.
  if (inputs.verdict === 'inconclusive') return '';
  const title = `${inputs.app} (${inputs.environment}) does not answer as it should`;
  const text = `Monitoring failed, last at [this run](${run.url}).${said} This issue is closed when it passes again.`;
  return github.reportTrouble({ key: key(inputs), title, text });
}
