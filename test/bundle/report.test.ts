import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GitHubStandIn } from '../support/github.ts';
import { runAction } from '../support/run-action.ts';

/** The bundle with the toolkit's real client in it, as the runner starts it, against GitHub at the level of HTTP. */
describe('the bundle of report', () => {
  const github = new GitHubStandIn();
  beforeAll(() => github.open());
  afterAll(() => github.close());

  const told = (token: string) =>
    runAction(
      'report',
      {
        app: 'shop',
        event: 'finished',
        verdict: 'pass',
        version: '2',
        url: 'https://shop.test/',
        'github-token': token,
      },
      { env: { GITHUB_API_URL: github.url, GITHUB_SHA: 'f'.repeat(40), GITHUB_RUN_ID: '7' }, seconds: 30 },
    );

  test('records a Deployment and comments on the pull request of the commit', async () => {
    github.pulls = [{ number: 12 }];
    const run = await told('secret-token');
    expect(run.code, run.stdout).toBe(0);
    expect(github.statuses).toMatchObject([{ state: 'success', environment_url: 'https://shop.test/' }]);
    expect(github.comments).toMatchObject([{ issue: 12 }]);
    expect(run.outputs).toMatchObject({ 'deployment-id': '1', 'comment-url': 'https://github.test/1' });
    expect(github.wrong).toEqual([]);
  });

  test('warns, and does not fail, when the token lacks every right', async () => {
    const run = await told('another-token');
    expect(run.code, run.stdout).toBe(0);
    expect(run.stdout).toMatch(/^::warning::.*deployments: write/m);
    expect(run.stdout).toMatch(/^::warning::.*pull-requests: write/m);
    expect(run.stdout.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain('another-token');
  });
});
