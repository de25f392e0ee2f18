import { readFileSync } from 'node:fs';
import { githubApi } from '../github/api.ts';
import { pullRequestOf, stickyComment } from '../github/comment.ts';
import { openDeployment, tellDeployment } from '../github/deployments.ts';
import { reportRecovery, reportTrouble } from '../github/issue.ts';
import { releaseNotes } from '../github/notes.ts';

type Rest<F> = F extends (ask: never, ...rest: infer R) => infer T ? (...rest: R) => T : never;

/** All that is told to GitHub, for the repository of this run. */
export interface GitHubRoom {
  readonly openDeployment: Rest<typeof openDeployment>;
  readonly tellDeployment: Rest<typeof tellDeployment>;
  readonly releaseNotes: Rest<typeof releaseNotes>;
  readonly pullRequestOf: Rest<typeof pullRequestOf>;
  readonly stickyComment: Rest<typeof stickyComment>;
  readonly reportTrouble: Rest<typeof reportTrouble>;
  readonly reportRecovery: Rest<typeof reportRecovery>;
}

/** GitHub as this run reaches it, null without a token; and the pull request that the run is about, null when it is about none. */
export async function connectGitHub(
  token: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly github: GitHubRoom | null; readonly pullRequest: number | null }> {
  const pullRequest = pullRequestIn(env['GITHUB_EVENT_PATH']);
  if (token === '') return { github: null, pullRequest };
  const ask = await githubApi(token, env['GITHUB_REPOSITORY'] ?? '', env['GITHUB_API_URL'] ?? 'https://api.github.com');
  const github: GitHubRoom = {
    openDeployment: (what) => openDeployment(ask, what),
    tellDeployment: (state) => tellDeployment(ask, state),
    releaseNotes: (from, to) => releaseNotes(ask, from, to),
    pullRequestOf: (sha) => pullRequestOf(ask, sha),
    stickyComment: (number, key, text) => stickyComment(ask, number, key, text),
    reportTrouble: (trouble) => reportTrouble(ask, trouble),
    reportRecovery: (key, text) => reportRecovery(ask, key, text),
  };
  return { github, pullRequest };
}

function pullRequestIn(path: string | undefined): number | null {
  try {
    const event = JSON.parse(readFileSync(path ?? '', 'utf8')) as { pull_request?: { number?: number } };
    return event.pull_request?.number ?? null;
  } catch {
    return null;
  }
}
