import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { underLoad } from './support/users.ts';
import { type Repository, Workplace, withoutWorkflows } from './support/workplace.ts';

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
  });

  test('brings the next push live without a dropped request', async () => {
    versions.push(shop.commit('Second version'));
    const [run, load] = await underLoad(place.url(), () => shop.run(deliver));
    expect(run.jobs, run.log).toEqual({ Deliver: 'success' });
    expect(await place.live()).toBe(versions[1]);
    expect(load.errors).toEqual({});
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
