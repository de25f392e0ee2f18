import { setTimeout as wait } from 'node:timers/promises';
import { operate } from '@cd-actions/shared/delivery/operation';
import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import { UnavailableError } from '@cd-actions/shared/domain/errors';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import type { LoadResult } from '@cd-actions/shared/gates/load/result';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, memoryLog, servedVersion } from '../support/delivery-world.ts';
import { type DockerHost, startDockerHost, withoutDockerHost } from '../support/docker-host.ts';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { parts } from '../support/parts.ts';

const missing = withoutDockerHost();
if (missing !== '') console.warn(`reconcile: skipped, ${missing}`);

const ROOT = '/etc/nginx/cd-actions';

describe.skipIf(missing !== '' || !parts.redis)('whatever happens to the parts', { timeout: 60_000 }, () => {
  let host: DockerHost;
  let world: FleetWorld;
  let url = '';

  beforeAll(async () => {
    host = await startDockerHost([parts.images?.nginx ?? '', parts.images?.app ?? '']);
    world = await fleetWorld([{ url: host.url, address: host.address }]);
    url = world.urls[0] ?? '';
    const ctx = await world.context();
    await ctx.fleet.proxies[0]?.prepare();
    for (const version of ['v1', 'v2']) {
      await register(ctx, aRegistration(version, { replicas: 2 }));
      await switchTraffic(ctx, aSwitch(world.at, version));
      await recordVerification(ctx, version, 'pass', 'a test');
    }
  }, 120_000);
  afterAll(async () => {
    await world?.close();
    await host?.close();
  }, 60_000);

  /** The next run of any action. Returns what it warned of. */
  async function nextRun(): Promise<string> {
    const lines: string[] = [];
    const ctx = await world.context({ log: memoryLog(lines) });
    await operate(ctx, { operation: 'prune', version: '', reason: 'the next run' }, async () => undefined);
    return lines.filter((line) => line.startsWith('warning')).join('\n');
  }

  /** Constant load while something happens. */
  async function underLoad(work: () => Promise<void>): Promise<LoadResult> {
    const load = runLoad({ url, rate: 100 });
    try {
      await work();
    } finally {
      await wait(200);
      await load.stop();
    }
    return load.result;
  }

  const deployment = async () => {
    const ctx = await world.context();
    return ctx.registry.read(ctx.id);
  };
  const nginx = (script: string): Promise<string> => world.inNginx(0, script);

  /** From the last moment at which the service was there until it is again and right; milliseconds. */
  async function untilServed(version: string, from: number): Promise<number> {
    while ((await servedVersion(url)) !== version) {
      if (Date.now() - from > 30_000) throw new Error('not served within 30 s');
      await wait(20);
    }
    return Date.now() - from;
  }

  /** A restart of Nginx loads what is committed: the files are in order, not only what runs. */
  async function restartsWell(): Promise<void> {
    expect(await nginx(`nginx -t -c ${ROOT}/nginx.conf 2>&1`)).toContain('successful');
    await world.docker(0).getContainer(world.at.nginx).restart({ t: 5 });
    await untilServed('v2', Date.now());
    expect(await nextRun()).toBe('');
  }

  it('changes and warns of nothing when all is well', async () => {
    const before = await deployment();
    expect(await nextRun()).toBe('');
    expect(await deployment()).toEqual(before);
  });

  it('rebuilds a registry that was flushed from labels and configuration, and touches nothing that serves', async () => {
    const before = await deployment();
    const result = await underLoad(async () => {
      await world.redis.command('FLUSHALL');
      expect(await nextRun()).toContain('rebuilt 2 release(s) from the hosts');
    });
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v2']);
    const after = await deployment();
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
    expect(await nextRun()).toBe('');
  });

  it('keeps what serves when the registry lost its last writes', async () => {
    const ctx = await world.context();
    const old = await ctx.registry.read(ctx.id);
    await register(ctx, aRegistration('v3'));
    await switchTraffic(ctx, aSwitch(world.at, 'v3'));
    const result = await underLoad(async () => {
      await operate(ctx, { operation: 'prune', version: '', reason: 'as after a failover' }, (op) =>
        op.write({
          releases: [...old.releases],
          removeReleases: ['v3'],
          ...(old.traffic ? { traffic: old.traffic } : {}),
        }),
      );
      expect(await nextRun()).toMatch(/it has lost writes. What serves is kept/);
    });
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v3']);
    expect((await deployment()).traffic?.plan.targets).toEqual([{ version: 'v3', weight: 100 }]);
    await switchTraffic(ctx, aSwitch(world.at, 'v2'));
  });

  it('fails within seconds while Redis is away, and leaves live traffic alone', async () => {
    let took = 0;
    const result = await underLoad(async () => {
      await world.redis.kill();
      const ctx = await world.context();
      const began = Date.now();
      await expect(switchTraffic(ctx, aSwitch(world.at, 'v1'))).rejects.toThrow(UnavailableError);
      took = Date.now() - began;
      await world.redis.restart();
      expect(await nextRun()).toContain('rebuilt');
    });
    console.info(`Redis away: a run fails after ${took} ms`);
    expect(took).toBeLessThan(8000);
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v2']);
  });

  it('serves on when an instance is killed, and starts it again', async () => {
    const target = (await deployment()).releases.find((release) => release.version === 'v2')?.instances[0];
    const result = await underLoad(async () => {
      await world
        .docker(0)
        .getContainer(target?.id ?? '')
        .kill();
      await wait(300);
      expect(await nextRun()).toContain(`${target?.name} has traffic as v2 and does not run: it is started again`);
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
    expect(await nextRun()).toBe('');
  });

  it('serves on when an instance is removed, and takes it out', async () => {
    const target = (await deployment()).releases.find((release) => release.version === 'v2')?.instances[0];
    const result = await underLoad(async () => {
      await world
        .docker(0)
        .getContainer(target?.id ?? '')
        .remove({ force: true });
      expect(await nextRun()).toContain('is gone from its host');
    });
    expect(result.errors).toEqual({});
    expect(await nginx(`cat ${ROOT}/apps/*/http.conf`)).not.toContain(`server ${target?.address}:`);
    expect(await nextRun()).toBe('');
  });

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
    const result = await underLoad(async () => {
      await nginx(edit);
      expect(await nextRun()).toMatch(said);
    });
    expect(result.errors).toEqual({});
    expect(Object.keys(result.versions)).toEqual(['v2']);
    expect(await nextRun()).toBe('');
    await restartsWell();
  });

  /** How long users were without an answer while something happened, and until it serves again. Milliseconds. */
  async function outage(work: () => Promise<unknown>): Promise<number> {
    const result = await underLoad(async () => {
      await work();
      await wait(100);
      await untilServed('v2', Date.now());
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
    expect(await nextRun()).toBe('');
  });

  it('makes a removed Nginx again, which serves as before', async () => {
    const gap = await outage(async () => {
      await removeNginx();
      expect(await nextRun()).toContain('is made ready again');
    });
    console.info(`Nginx container removed, next run at once: no answer for ${gap} ms`);
    expect(await nextRun()).toBe('');
  });

  it('makes a removed Nginx again from the registry alone when its volume is lost too', async () => {
    const gap = await outage(async () => {
      await removeNginx();
      await world.docker(0).getVolume(`${world.at.nginx}-config`).remove();
      expect(await nextRun()).toContain('is made ready again');
    });
    console.info(`Nginx container and volume removed, next run at once: no answer for ${gap} ms`);
    expect(await nextRun()).toBe('');
  });

  it.each([
    ['restarted', 'stop'],
    ['killed as by a loss of power', 'kill'],
  ] as const)('routes rightly again within 30 s when Docker was %s, without any action', async (what, how) => {
    let answers = 0;
    const gap = await outage(async () => {
      await host[how]();
      await host.start();
      answers = Date.now();
      await untilServed('v2', answers);
      answers = Date.now() - answers;
    });
    console.info(`Docker ${what}: routes are right ${answers} ms after it answers; no answer to users for ${gap} ms`);
    expect(answers).toBeLessThan(30_000);
    expect(await nextRun()).toBe('');
    const ctx = await world.context();
    await register(ctx, aRegistration(how));
    await switchTraffic(ctx, aSwitch(world.at, how));
    expect(await servedVersion(url)).toBe(how);
    await switchTraffic(ctx, aSwitch(world.at, 'v2'));
  });
});
