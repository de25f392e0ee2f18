import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, memoryLog } from '../support/delivery-world.ts';
import { withoutDockerHost } from '../support/docker-host.ts';
import type { FleetWorld } from '../support/fleet-world.ts';
import { type LoneHost, loneHost } from '../support/lone-host.ts';
import { parts } from '../support/parts.ts';

const missing = withoutDockerHost();
if (missing !== '') console.warn(`reconcile by hand: skipped, ${missing}`);

const ROOT = '/etc/nginx/cd-actions';

describe.skipIf(missing !== '' || !parts.redis)('a configuration that was edited by hand', { timeout: 60_000 }, () => {
  let at: LoneHost;
  let world: FleetWorld;
  let url = '';

  beforeAll(async () => {
    at = await loneHost();
    ({ world, url } = at);
  }, 120_000);
  afterAll(() => at?.close(), 60_000);

  /** A restart of Nginx loads what is committed: the files are in order, not only what runs. */
  async function restartsWell(): Promise<void> {
    expect(await at.nginx(`nginx -t -c ${ROOT}/nginx.conf 2>&1`)).toContain('successful');
    await world.docker(0).getContainer(world.at.nginx).restart({ t: 5 });
    await at.untilServed('v2', Date.now());
    expect(await at.nextRun()).toBe('');
  }

  it.each([
    [
      'the upstream groups of the app',
      `sed -i 's/server .*:3000/server 127.0.0.1:9/' ${ROOT}/apps/*/http.conf`,
      /http.conf was changed by hand/,
    ],
    [
      'the location of the app, wrongly',
      `echo nonsense >> $(ls ${ROOT}/apps/*/locations/*.conf)`,
      /locations\/.* was changed by hand/,
    ],
    ['a server block, wrongly', `echo '}' >> $(ls ${ROOT}/servers/*.conf)`, /servers\/.*conf was changed by hand/],
    ['the shared configuration, wrongly', `echo nonsense >> ${ROOT}/http.conf`, /Nginx refuses .*http\.conf/],
    [
      'the shared configuration, harmlessly',
      `echo '# mine' >> ${ROOT}/http.conf`,
      /shared configuration .* is not as it was/,
    ],
    [
      'the plan file',
      `sed -i 's/"weight": 100/"weight": 1/' ${ROOT}/plans/*.json`,
      /plan file is not as it was written/,
    ],
    ['the plan file, away', `rm ${ROOT}/plans/*.json`, /plan file is gone/],
    ['the plan file, to half of it', `truncate -s 40 ${ROOT}/plans/*.json`, /plan file is not as it was written/],
    ['all generations, away', `rm -rf ${ROOT}/generations/*/*`, /loaded than are registered/],
  ])('reports what was edited by hand and puts it right: %s', async (_what, edit, said) => {
    const result = await at.underLoad(async () => {
      await at.nginx(edit);
      expect(await at.nextRun()).toMatch(said);
    });
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v2']);
    expect(await at.nextRun()).toBe('');
    await restartsWell();
  });

  it('serves the last known version when the plan file is lost and Nginx restarts before anybody noticed', async () => {
    await at.nginx(`rm ${ROOT}/plans/*.json`);
    await world.docker(0).getContainer(world.at.nginx).restart({ t: 5 });
    await at.untilServed('v2', Date.now());
    expect(await at.nextRun()).toContain('the plan file is gone');
    await restartsWell();
  });

  it('registers although the files of another app were broken by hand, and puts those right', async () => {
    const other = await world.context({ app: 'other' });
    await register(other, aRegistration('o1'));
    const beside = aSwitch(world.at, 'o1');
    await switchTraffic(other, {
      ...beside,
      wanted: (deployment) => {
        const { route, plan } = beside.wanted(deployment);
        return { plan, route: { ...route, pathPrefix: '/other' } };
      },
    });
    const lines: string[] = [];
    const result = await at.underLoad(async () => {
      await at.nginx(`echo nonsense >> ${ROOT}/apps/${other.id}/http.conf`);
      await register(await world.context({ log: memoryLog(lines) }), aRegistration('beside'));
    });
    expect(result.errors).toEqual({});
    expect(lines.join('\n')).toContain(`${other.id}: http.conf was changed by hand`);
    expect((await fetch(`${url}/other/`)).headers.get('x-version')).toBe('o1');
    await restartsWell();
  });
});
