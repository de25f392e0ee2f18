import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkflowRun } from './support/act.ts';
import { underLoad } from './support/users.ts';
import { type Repository, Workplace, withoutWorkflows } from './support/workplace.ts';

const STAGES = ['Build', 'Security', 'Candidate', 'Performance', 'Announce', 'Go live', 'Report'];
/** Of a stage that only looks, and looks long. */
const SHORT_LOAD = { "port: '8080'\n": "port: '8080'\n      duration: 2s\n" };
/** For examples that take the default steps. */
const SHORT = { "port: '8080'\n": "port: '8080'\n      duration: 2s\n      step-interval: 1s\n" };

/** The jobs of a called workflow by their names, without those of others. */
function stagesOf(run: WorkflowRun, caller: string): Readonly<Record<string, string>> {
  const own = Object.entries(run.jobs).filter(([job]) => job.startsWith(`${caller}/`));
  return Object.fromEntries(own.map(([job, result]) => [job.slice(caller.length + 1), result]));
}

const all = (stages: readonly string[], result: string): Readonly<Record<string, string>> =>
  Object.fromEntries(stages.map((stage) => [stage, result]));

/** Every example that calls a reusable workflow, on one host that has Docker and nothing else in the beginning. */
describe.skipIf(withoutWorkflows() !== '')('a user who calls the reusable workflows', () => {
  let place: Workplace;
  let shop: Repository;
  let live = '';

  beforeAll(async () => {
    place = await Workplace.open();
    shop = place.repository('shop');
    shop.write('package.json', '{"name": "shop", "scripts": {"test": "node --check server.cjs"}}\n');
  });

  afterAll(() => place?.close());

  test('staging-production: the image that staging built goes live on production after approval', async () => {
    const workflow = shop.example('staging-production', {
      'duration: 30s': 'duration: 2s',
      'step-interval: 1m': 'step-interval: 1s',
    });
    live = shop.commit('First version');
    const run = await shop.run(workflow);
    expect(stagesOf(run, 'Staging'), run.log).toEqual(all(STAGES, 'success'));
    const promoted = stagesOf(run, 'Promote');
    expect(promoted, run.log).toEqual(all(['Candidate', 'Approval', 'Announce', 'Go live', 'Report'], 'success'));
    expect([await place.live('/', 8081), await place.live()]).toEqual([live, live]);
    const images = place.docker('ps', '--filter', 'label=cd-actions.deployment', '--format', '{{.Image}}').split('\n');
    expect(new Set(images).size, 'production runs another image than staging').toBe(1);
  });

  test('self-hosted: a push goes live in stages', async () => {
    const workflow = shop.example('self-hosted', SHORT);
    live = shop.commit('Second version');
    const run = await shop.run(workflow);
    expect(stagesOf(run, 'Deliver'), run.log).toEqual(all(STAGES, 'success'));
    expect(await place.live()).toBe(live);
  });

  describe('canary', () => {
    // Its own threshold on latency is for a machine that does nothing else.
    const brief = {
      ...SHORT_LOAD,
      'p95<500ms': 'p95<5s',
      'step-interval: 5m': 'step-interval: 1s',
      'bake: 10m': 'bake: 1s',
    };

    test('a good version gets all users by steps, without a dropped request', async () => {
      const workflow = shop.example('canary', brief);
      live = shop.commit('Third version');
      const [run, load] = await underLoad(place.url(), () => shop.run(workflow));
      expect(stagesOf(run, 'Deliver'), run.log).toEqual(all(['Functional tests', ...STAGES], 'success'));
      expect(run.steps['Deliver/Go live: Roll back']).toBeUndefined();
      expect(await place.live()).toBe(live);
      expect(load.errors).toEqual({});
    });

    test('a bad version turns the job red and the rollback green; the old one serves, and nothing was dropped', async () => {
      const workflow = shop.example('canary', brief);
      shop.edit('server.cjs', "faults.has('fail-items')", 'true');
      const bad = shop.commit('Fourth version, broken');
      const [run, load] = await underLoad(place.url(), () => shop.run(workflow));
      expect(run.code).not.toBe(0);
      expect(stagesOf(run, 'Deliver')['Go live'], run.log).toBe('failure');
      expect(run.steps['Deliver/Go live: Verify']).toBe('failure');
      expect(run.steps['Deliver/Go live: Roll back'], run.log).toBe('success');
      expect(run.log).toContain('verdict=fail');
      expect(await place.live()).toBe(live);
      expect(load.versions[bad], 'the bad version never had users').toBeGreaterThan(0);
      expect(load.errors).toEqual({});
    });

    test('a version whose own tests fail is not even built', async () => {
      const workflow = shop.example('canary', brief);
      shop.write('package.json', '{"name": "shop", "scripts": {"test": "exit 3"}}\n');
      shop.commit('Fifth version, failing its tests');
      const run = await shop.run(workflow);
      expect(stagesOf(run, 'Deliver'), run.log).toEqual({ 'Functional tests': 'failure', Report: 'success' });
      expect(await place.live()).toBe(live);
    });

    test("a fork's pull request runs none of its code on the user's machine", async () => {
      const workflow = shop.example('canary', { ...brief, 'push:\n    branches: [main]': 'pull_request:' });
      const payload = { pull_request: { head: { repo: { fork: true } }, base: { ref: 'main' } } };
      const run = await shop.run(workflow, { event: 'pull_request', payload });
      expect(stagesOf(run, 'Deliver'), run.log).toEqual({ Report: 'success' });
      expect(run.log).toContain('verdict=inconclusive');
    });
  });

  test('rollback: the button of the reusable workflow itself returns to a named version', async () => {
    const workflow = '.github/workflows/rollback.yml';
    copyFileSync(join(place.tree, workflow), join(shop.directory, workflow));
    const target = shop.log('Second version');
    const inputs = { app: 'shop', environment: 'production', version: target, reason: 'a try', runner: 'self-hosted' };
    const run = await shop.run(workflow, { event: 'workflow_dispatch', inputs, payload: { inputs } });
    expect(run.jobs, run.log).toEqual({ 'Roll back': 'success' });
    expect(await place.live()).toBe(target);
    live = target;
  });

  test('monorepo: every service goes live by itself, under its own path', async () => {
    const services = place.repository('services');
    for (const each of ['shop', 'search']) services.application(join('services', each));
    // An application under a path knows it.
    services.edit(
      'services/search/server.cjs',
      'new URL(request.url,',
      "new URL(request.url.replace(/^\\/search/, ''),",
    );
    const workflow = services.example('monorepo', { ...SHORT_LOAD, 'step-interval: 1m': 'step-interval: 1s' });
    live = services.commit('Two services');
    const run = await services.run(workflow);
    expect(run.code, run.log).toBe(0);
    expect([await place.live('/'), await place.live('/search/api/items')]).toEqual([live, live]);
    const apps = place.docker('ps', '--format', '{{.Label "cd-actions.deployment"}}').split('\n').filter(Boolean);
    expect(new Set(apps)).toEqual(new Set(['shop@production', 'shop@staging', 'search@production']));
  });

  test('monitoring: green while all is well, red when the application is gone', async () => {
    const workflow = shop.example('monitoring', { 'duration: 1m': 'duration: 1s' });
    const well = await shop.run(workflow, { event: 'schedule' });
    expect(stagesOf(well, 'Shop'), well.log).toEqual({ Monitor: 'success', 'Tell GitHub': 'success' });
    place.docker(
      'stop',
      place.docker(
        'ps',
        '-q',
        '--filter',
        `label=cd-actions.version=${live}`,
        '--filter',
        'label=cd-actions.deployment=shop@production',
      ),
    );
    const ill = await shop.run(workflow, { event: 'schedule' });
    expect(stagesOf(ill, 'Shop'), ill.log).toEqual({ Monitor: 'failure', 'Tell GitHub': 'success' });
  });
});
