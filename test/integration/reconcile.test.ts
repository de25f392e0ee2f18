import { setTimeout as wait } from 'node:timers/promises';
import { operate } from '@cd-actions/shared/delivery/operation';
import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { UnavailableError } from '@cd-actions/shared/domain/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, servedVersion } from '../support/delivery-world.ts';
import { withoutDockerHost } from '../support/docker-host.ts';
import type { FleetWorld } from '../support/fleet-world.ts';
import { type LoneHost, loneHost } from '../support/lone-host.ts';
import { parts } from '../support/parts.ts';

const missing = withoutDockerHost();
if (missing !== '') console.warn(`reconcile: skipped, ${missing}`);

describe.skipIf(missing !== '' || !parts.redis)('whatever happens to the parts', { timeout: 60_000 }, () => {
  let at: LoneHost;
  let world: FleetWorld;
  let url = '';

  beforeAll(async () => {
    at = await loneHost();
    ({ world, url } = at);
  }, 120_000);
  afterAll(() => at?.close(), 60_000);

  it('changes and warns of nothing when all is well', async () => {
    const before = await at.deployment();
    expect(await at.nextRun()).toBe('');
    expect(await at.deployment()).toEqual(before);
  });

  it('rebuilds a registry that was flushed from labels and configuration, and touches nothing that serves', async () => {
    const before = await at.deployment();
    const result = await at.underLoad(async () => {
      await world.redis.command('FLUSHALL');
      expect(await at.nextRun()).toContain('rebuilt 2 release(s) from the hosts');
    });
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v2']);
    const after = await at.deployment();
    expect(after.traffic).toEqual(before.traffic);
    const essence = ({ releases }: typeof after) =>
      releases.map(({ version, state, imageId, spec, instances }) => ({
        version,
        state,
        imageId,
        spec,
        instances: [...instances].sort((a, b) => a.id.localeCompare(b.id)),
      }));
    expect(essence(after)).toEqual(essence(before));
    expect(await at.nextRun()).toBe('');
  });

  it('keeps what serves when the registry lost its last writes', async () => {
    const ctx = await world.context();
    const old = await ctx.registry.read(ctx.id);
    await register(ctx, aRegistration('v3'));
    await switchTraffic(ctx, aSwitch(world.at, 'v3'));
    const result = await at.underLoad(async () => {
      await operate(ctx, { operation: 'prune', version: '', reason: 'as after a failover' }, (op) =>
        op.write({
          releases: [...old.releases],
          removeReleases: ['v3'],
          ...(old.traffic ? { traffic: old.traffic } : {}),
        }),
      );
      expect(await at.nextRun()).toMatch(/it has lost writes. What serves is kept/);
    });
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v3']);
    expect((await at.deployment()).traffic?.plan.targets).toEqual([{ version: 'v3', weight: 100 }]);
    await switchTraffic(ctx, aSwitch(world.at, 'v2'));
  });

  it('fails within seconds while Redis is away, and leaves live traffic alone', async () => {
    let took = 0;
    const result = await at.underLoad(async () => {
      await world.redis.kill();
      const ctx = await world.context();
      const began = Date.now();
      await expect(switchTraffic(ctx, aSwitch(world.at, 'v1'))).rejects.toThrow(UnavailableError);
      took = Date.now() - began;
      await world.redis.restart();
      expect(await at.nextRun()).toContain('rebuilt');
    });
    console.info(`Redis away: a run fails after ${took} ms`);
    expect(took).toBeLessThan(8000);
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v2']);
  });

  it('serves on when an instance is killed, and starts it again', async () => {
    const target = (await at.deployment()).releases.find((release) => release.version === 'v2')?.instances[0];
    const result = await at.underLoad(async () => {
      await world
        .docker(0)
        .getContainer(target?.id ?? '')
        .kill();
      await wait(300);
      expect(await at.nextRun()).toContain(`${target?.name} has traffic as v2 and does not run: it is started again`);
    });
    expect(result.errors).toEqual({});
    expect(
      (
        await world
          .docker(0)
          .getContainer(target?.id ?? '')
          .inspect()
      ).State.Running,
    ).toBe(true);
    expect(await at.nextRun()).toBe('');
  });

  it('serves on when an instance is removed, and takes it out', async () => {
    const target = (await at.deployment()).releases.find((release) => release.version === 'v2')?.instances[0];
    const result = await at.underLoad(async () => {
      await world
        .docker(0)
        .getContainer(target?.id ?? '')
        .remove({ force: true });
      expect(await at.nextRun()).toContain('is gone from its host');
    });
    expect(result.errors).toEqual({});
    expect(await at.nginx(`cat /etc/nginx/cd-actions/apps/*/http.conf`)).not.toContain(`server ${target?.address}:`);
    expect(await at.nextRun()).toBe('');
  });

  /** How long users were without an answer while something happened, and until it serves again. Milliseconds. */
  async function outage(work: () => Promise<unknown>): Promise<number> {
    const result = await at.underLoad(async () => {
      await work();
      await wait(100);
      await at.untilServed('v2', Date.now());
    });
    expect(result.failed).toBeGreaterThan(0);
    // Engine and instances do not stop at the same instant: Nginx may say 502 meanwhile.
    expect(Object.keys(result.versions).filter((version) => version !== '')).toEqual(['v2']);
    return Math.round(result.longestGap);
  }

  const removeNginx = () => world.docker(0).getContainer(world.at.nginx).remove({ force: true });

  it('comes back by itself when Nginx is killed', async () => {
    const { State } = await world.docker(0).getContainer(world.at.nginx).inspect();
    const gap = await outage(async () => process.kill(State.Pid, 'SIGKILL'));
    console.info(`Nginx killed: no answer for ${gap} ms, without any action`);
    expect(await at.nextRun()).toBe('');
  });

  it('makes a removed Nginx again, which serves as before', async () => {
    const gap = await outage(async () => {
      await removeNginx();
      expect(await at.nextRun()).toContain('is made ready again');
    });
    console.info(`Nginx container removed, next run at once: no answer for ${gap} ms`);
    expect(await at.nextRun()).toBe('');
  });

  it('makes a removed Nginx again from the registry alone when its volume is lost too', async () => {
    const gap = await outage(async () => {
      await removeNginx();
      await world.docker(0).getVolume(`${world.at.nginx}-config`).remove();
      expect(await at.nextRun()).toContain('is made ready again');
    });
    console.info(`Nginx container and volume removed, next run at once: no answer for ${gap} ms`);
    expect(await at.nextRun()).toBe('');
  });

  it.each([
    ['restarted', 'stop'],
    ['killed as by a loss of power', 'kill'],
  ] as const)('routes rightly again within 30 s when Docker was %s, without any action', async (what, how) => {
    let answers = 0;
    const gap = await outage(async () => {
      await at.host[how]();
      await at.host.start();
      answers = Date.now();
      await at.untilServed('v2', answers);
      answers = Date.now() - answers;
    });
    console.info(`Docker ${what}: routes are right ${answers} ms after it answers; no answer to users for ${gap} ms`);
    expect(answers).toBeLessThan(30_000);
    expect(await at.nextRun()).toBe('');
    const ctx = await world.context();
    await register(ctx, aRegistration(how));
    await switchTraffic(ctx, aSwitch(world.at, how));
    expect(await servedVersion(url)).toBe(how);
    await switchTraffic(ctx, aSwitch(world.at, 'v2'));
  });
});
