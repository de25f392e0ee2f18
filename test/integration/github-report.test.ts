import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInputs } from '@cd-actions/shared/action/inputs';
import { connectGitHub } from '@cd-actions/shared/compose/github';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inputs as grammar } from '../../actions/report/src/inputs.ts';
import { main, type Reported } from '../../actions/report/src/main.ts';
import { GitHubStandIn } from '../support/github.ts';

const run = { actor: 'octocat', url: 'https://github.test/runs/7', sha: 'f'.repeat(40), id: '7' };

/** The story of `report` with the toolkit's real client, against GitHub at the level of HTTP. */
describe('what is told to GitHub', () => {
  let github: GitHubStandIn;
  let warnings: string[];
  let url: string;

  beforeEach(async () => {
    github = new GitHubStandIn();
    await github.open();
    url = github.url;
    warnings = [];
  });

  afterEach(async () => {
    await github.close();
    expect(github.wrong, 'requests that GitHub does not describe').toEqual([]);
  });

  async function report(given: Readonly<Record<string, string>>, event?: string): Promise<Reported> {
    const all: Readonly<Record<string, string>> = { app: 'shop', 'github-token': 'secret-token', ...given };
    const values = readInputs(grammar, (name) => all[name] ?? '');
    const env = {
      GITHUB_API_URL: url,
      GITHUB_REPOSITORY: 'octocat/shop',
      ...(event ? { GITHUB_EVENT_PATH: event } : {}),
    };
    const connected = await connectGitHub(values['github-token'], env);
    return main(values, { ...connected, run, warn: (message) => warnings.push(message) });
  }

  const FINISHED = { event: 'finished', verdict: 'pass', version: '2', 'live-version': '2', url: 'https://shop.test/' };

  test('a delivery is a Deployment of its commit, with a state, an address and a log', async () => {
    const { deployment } = await report({ event: 'started', version: '2', url: 'https://shop.test/' });
    await report({ ...FINISHED, 'deployment-id': String(deployment) });
    expect(github.deployments).toMatchObject([
      { ref: run.sha, environment: 'production', auto_merge: false, required_contexts: [] },
    ]);
    expect(github.statuses.map(({ deployment: of, state }) => [of, state])).toEqual([
      [deployment, 'in_progress'],
      [deployment, 'success'],
    ]);
    expect(github.statuses[1]).toMatchObject({ environment_url: 'https://shop.test/', log_url: run.url });
    expect(warnings).toEqual([]);
  });

  test('one comment on the pull request says what is live; the next delivery rewrites it', async () => {
    github.pulls = [{ number: 12 }];
    github.commits = [{ sha: 'a'.repeat(40), commit: { message: 'Fix `it` for @everyone\n\nbody' } }];
    for (let each = 0; each < 130; each += 1) github.comments.push({ id: 1000 + each, issue: 12, body: 'talk' });
    const first = await report({ ...FINISHED, 'previous-version': '1' });
    const second = await report({ ...FINISHED, version: '3', 'live-version': '3' });
    expect(second.commentUrl).toBe(first.commentUrl);
    expect(first.notes).toBe("- aaaaaaa `Fix 'it' for @everyone`");
    const own = github.comments.filter(({ body }) => body !== 'talk');
    expect(own).toHaveLength(1);
    expect(own[0]?.['body']).toContain('Live now: `3`');
  });

  test("the event's own pull request is the one that is told", async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cd-actions-event-'));
    const event = join(directory, 'event.json');
    writeFileSync(event, JSON.stringify({ pull_request: { number: 5 } }));
    await report({ ...FINISHED, verdict: 'fail' }, event);
    rmSync(directory, { recursive: true });
    expect(github.comments).toMatchObject([{ issue: 5 }]);
    expect(github.statuses).toMatchObject([{ state: 'failure' }]);
  });

  test('monitoring opens one issue, keeps it while it lasts, and closes it on recovery', async () => {
    const told = { event: 'monitored', verdict: 'fail', message: 'GET / answered 502' };
    const first = await report(told);
    await report(told);
    await report({ ...told, verdict: 'inconclusive' });
    expect(github.issues).toMatchObject([{ state: 'open', labels: ['cd-actions-monitoring'] }]);
    const over = await report({ event: 'monitored', verdict: 'pass' });
    expect(over.issueUrl).toBe(first.issueUrl);
    expect(github.issues).toMatchObject([{ state: 'closed', state_reason: 'completed' }]);
    expect(github.comments).toHaveLength(1);
    await report({ event: 'monitored', verdict: 'pass' });
    expect(github.comments).toHaveLength(1);
  });

  test('a token without rights costs warnings that name them, nothing else', async () => {
    github.pulls = [{ number: 12 }];
    github.denied
      .add('repos/create-deployment')
      .add('issues/create-comment')
      .add('repos/compare-commits-with-basehead');
    const told = await report({ ...FINISHED, 'previous-version': '1' });
    expect(told).toEqual({ deployment: 0, commentUrl: '', issueUrl: '', notes: '' });
    for (const right of ['deployments: write', 'contents: read', 'pull-requests: write']) {
      expect(warnings.filter((each) => each.includes(`\`${right}\``))).toHaveLength(1);
    }
  });

  test('no token, a wrong one and no GitHub at all are warnings too', async () => {
    await report({ ...FINISHED, 'github-token': '' });
    await report({ event: 'started', 'github-token': 'wrong' });
    await github.close();
    await report({ event: 'started' });
    await github.open();
    expect(warnings).toHaveLength(3);
    expect(warnings.join('\n')).not.toContain('wrong');
  });
});
