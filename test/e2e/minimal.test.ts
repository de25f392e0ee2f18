import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { underLoad } from './support/users.ts';
import { type Repository, Workplace, withoutWorkflows } from './support/workplace.ts';

/** From the second push on: seconds between the steps of the switch, which are ten. */
const BRIEF = { '\n\n      - id: verify': '\n          step-interval: 1s\n\n      - id: verify' };

/** A repository with a Dockerfile and the examples `minimal` and `manual-rollback`, on a host that has Docker and nothing else. */
describe.skipIf(withoutWorkflows() !== '')('a user who copies the minimal example', () => {
  let place: Workplace;
  let shop: Repository;
  let deliver: string;
  let rollBack: string;
  const versions: string[] = [];

  beforeAll(async () => {
    place = await Workplace.open();
    shop = place.repository('shop');
    deliver = shop.example('minimal');
    rollBack = shop.example('manual-rollback');
  });

  afterAll(() => place?.close());

  test('goes from the first push to live', async () => {
    versions.push(shop.commit('First version'));
    const run = await shop.run(deliver);
    expect(run.jobs, run.log).toEqual({ Deliver: 'success' });
    expect(await place.live()).toBe(versions[0]);
    deliver = shop.example('minimal', BRIEF);
  });

  test('brings the next push live without a dropped request', async () => {
    versions.push(shop.commit('Second version'));
    const [run, load] = await underLoad(place.url(), () => shop.run(deliver));
    expect(run.jobs, run.log).toEqual({ Deliver: 'success' });
    expect(await place.live()).toBe(versions[1]);
    expect(load.errors).toEqual({});
  });

  test('keeps the live version when runs are cancelled; the next push finds all in order and leaves nothing of them', async () => {
    const cancelled: string[] = [];
    // act gives a step that is cancelled no time at all, as a machine that loses power.
    for (const cancelAt of [' started on ', '=5 ']) {
      cancelled.push(shop.commit(`Cancelled at ${cancelAt}`));
      const [run, load] = await underLoad(place.url(), () => shop.run(deliver, { cancelAt }));
      expect(run.jobs, run.log).toEqual({ Deliver: 'failure' });
      expect(load.errors).toEqual({});
    }
    versions[1] = shop.commit('Second version again');
    const [next, load] = await underLoad(place.url(), () => shop.run(deliver));
    expect(next.jobs, next.log).toEqual({ Deliver: 'success' });
    expect(await place.live()).toBe(versions[1]);
    expect(load.errors).toEqual({});
    const running = place.docker('ps', '--all', '--format', '{{.Label "cd-actions.version"}}').split('\n');
    expect(running.filter((version) => cancelled.includes(version))).toEqual([]);
  });

  test('keeps the live version when a push fails verification: the job is red, the rollback green, nothing dropped', async () => {
    shop.edit(
      'server.cjs',
      "if (path === 'GET /')",
      "if (path === 'GET /') return json(response, 500, {});\n  if (path === 'GET /old')",
    );
    const bad = shop.commit('Third version, broken');
    const [run, load] = await underLoad(place.url(), () => shop.run(deliver));
    expect(run.jobs, run.log).toEqual({ Deliver: 'failure' });
    expect(run.steps['Deliver: org/cd-actions/verify@v1']).toBe('failure');
    expect(run.steps['Deliver: Roll back when verification failed'], run.log).toBe('success');
    expect(await place.live()).toBe(versions[1]);
    expect(load.versions[bad], 'the bad version never had users').toBeGreaterThan(0);
    expect(load.errors).toEqual({});
  });

  test('returns to the first version by the button', async () => {
    const inputs = { version: versions[0] ?? '', reason: 'a try' };
    const run = await shop.run(rollBack, { event: 'workflow_dispatch', inputs, payload: { inputs } });
    expect(run.jobs, run.log).toEqual({ 'Roll back': 'success' });
    expect(await place.live()).toBe(versions[0]);
  });
});
