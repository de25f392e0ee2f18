import { operate } from '@cd-actions/shared/delivery/operation';
import type { Context, Log } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { DeliveryError, UnavailableError } from '@cd-actions/shared/domain/errors';
import type { LoadRun } from '@cd-actions/shared/gates/load/options';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, memoryLog, servedVersion } from '../support/delivery-world.ts';
import { type DockerHost, startDockerHost, withoutDockerHost } from '../support/docker-host.ts';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { parts } from '../support/parts.ts';
import { hasSshd, startSshd } from '../support/sshd.ts';

const missing = withoutDockerHost();
if (missing !== '') console.warn(`several hosts: skipped, ${missing}`);

describe.skipIf(missing !== '' || !parts.redis)('a delivery to two hosts', { timeout: 60_000 }, () => {
  let second: DockerHost;
  let world: FleetWorld;
  let ctx: Context;

  beforeAll(async () => {
    second = await startDockerHost([parts.images?.nginx ?? '', parts.images?.app ?? '']);
    world = await fleetWorld([
      { url: `unix://${parts.docker?.socket}`, address: '127.0.0.1' },
      { url: second.url, address: second.address },
    ]);
    ctx = await world.context();
    await Promise.all(ctx.fleet.proxies.map((proxy) => proxy.prepare()));
  }, 120_000);
  afterAll(async () => {
    await world?.close();
    await second?.close();
  }, 60_000);

  const served = (): Promise<readonly string[]> => Promise.all(world.urls.map(servedVersion));
  const loads = (): readonly LoadRun[] => world.urls.map((url) => runLoad({ url, rate: 50 }));
  const generations = async (): Promise<readonly (number | undefined)[]> =>
    Promise.all(ctx.fleet.proxies.map(async (proxy) => (await proxy.state(ctx.id))?.generation));

  /** Does something when traffic is about to move for the `nth` time: the whole was staged and tested on every host. */
  const atActivation = (nth: number, work: () => Promise<unknown>): Log => {
    let moves = 0;
    const log = memoryLog();
    return {
      ...log,
      group: async (title, inner) => {
        if (title.startsWith('Traffic')) moves += 1;
        if (title.startsWith('Traffic') && moves === nth) await work();
        return log.group(title, inner);
      },
    };
  };

  async function failed(work: Promise<unknown>): Promise<DeliveryError> {
    const error = await work.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DeliveryError);
    return error as DeliveryError;
  }

  it('registers, switches and confirms on every host, each with instances of its own', async () => {
    const { release } = await register(ctx, aRegistration('v1'));
    expect(release.instances.map((instance) => instance.host).sort()).toEqual(
      ctx.fleet.engines.map((each) => each.host).sort(),
    );
    await switchTraffic(ctx, aSwitch(world.at, 'v1'));
    expect(await served()).toEqual(['v1', 'v1']);
    await register(ctx, aRegistration('v2'));
    const running = loads();
    const moved = await switchTraffic(ctx, aSwitch(world.at, 'v2', { steps: [50], stepInterval: 50 }));
    expect(moved).toMatchObject({ liveVersion: 'v2', how: 'instant' });
    for (const load of running) expect((await load.stop()).errors).toEqual({});
    expect(await served()).toEqual(['v2', 'v2']);
    expect(new Set(await generations()).size).toBe(1);
  });

  it('changes nothing anywhere when one host refuses, and says what each of them said', async () => {
    const before = await generations();
    await world.inNginx(
      1,
      'rm -rf /etc/nginx/cd-actions/apps/other@x; mkdir -p /etc/nginx/cd-actions/apps/other@x; echo "nonsense;" > /etc/nginx/cd-actions/apps/other@x/http.conf',
    );
    await register(ctx, aRegistration('broken')).then(
      () => expect.unreachable(),
      (error: DeliveryError) => {
        expect(error.message).toContain('accepts it');
        expect(error.message).toMatch(new RegExp(`${second.url}: .*other@x.*nonsense`, 's'));
        expect(error.serving).toMatch(/Nothing was registered.*v2/);
      },
    );
    expect(await generations()).toEqual(before);
    // A reload that is asked for is refused when it is due: the host that has taken it over goes back.
    const switching = await failed(switchTraffic(ctx, { ...aSwitch(world.at, 'v1'), activation: 'reload' }));
    expect(switching.message).toMatch(new RegExp(`took it over by reload.*${second.url}: .*nonsense`, 's'));
    expect(switching.serving).toBe('Every Nginx serves the traffic of before: v2=100.');
    expect(await served()).toEqual(['v2', 'v2']);
    expect(new Set(await generations()).size).toBe(1);
    expect(await ctx.registry.read(ctx.id)).toMatchObject({ journal: null });
    await world.inNginx(1, 'rm -rf /etc/nginx/cd-actions/apps/other@x');
  });

  it('returns every host when one does not take over what it has tested, and reports each', async () => {
    const running = loads();
    const header = '/etc/nginx/cd-actions/admin.header';
    const log = atActivation(2, () =>
      world.inNginx(1, `echo 'X-CD-Token: 00000000000000000000000000000000' > ${header}`),
    );
    const broken = await world.context({ log });
    const error = await failed(switchTraffic(broken, aSwitch(world.at, 'v1', { steps: [50], stepInterval: 50 })));
    expect(error.message).toContain('took it over by instant');
    expect(error.message).toContain(`${second.url}: Nginx on ${second.url} did not take the plan`);
    expect(error.serving).toMatch(/returns these:\n.*sock: /s);
    // The first has returned already; the second said 403 to its own return too, and is put right by the next run.
    expect(await servedVersion(world.urls[0] ?? '')).toBe('v2');
    const lines: string[] = [];
    const next = await world.context({ log: memoryLog(lines) });
    await operate(next, { operation: 'prune', version: '', reason: '' }, async () => undefined);
    expect(await served()).toEqual(['v2', 'v2']);
    expect(new Set(await generations()).size).toBe(1);
    for (const load of running) expect((await load.stop()).errors).toEqual({});
  });

  it('makes an Nginx ready again that was stopped before the run', async () => {
    const lines: string[] = [];
    await world.docker(1).getContainer(world.at.nginx).kill();
    const next = await world.context({ log: memoryLog(lines) });
    await switchTraffic(next, aSwitch(world.at, 'v1'));
    expect(lines.join('\n')).toContain(`Nginx on ${second.url} is made ready again`);
    expect(await served()).toEqual(['v1', 'v1']);
  });

  it('returns the others when a host goes away in the middle, and the next run converges when it is back', async () => {
    const load = runLoad({ url: world.urls[0] ?? '', rate: 50 });
    const dying = await world.context({ log: atActivation(2, () => second.stop()) });
    const error = await failed(switchTraffic(dying, aSwitch(world.at, 'v2', { steps: [50], stepInterval: 50 })));
    expect(error.serving).toContain('All other hosts serve the traffic of before (v1=100) again');
    expect(error.serving).toContain(second.url);
    expect(await servedVersion(world.urls[0] ?? '')).toBe('v1');
    expect((await ctx.registry.read(ctx.id)).journal).toMatchObject({ phase: 'activating' });

    const began = Date.now();
    await expect(world.context()).rejects.toThrow(UnavailableError);
    await expect(register(ctx, aRegistration('v3'))).rejects.toThrow(/could not list containers/);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(await servedVersion(world.urls[0] ?? '')).toBe('v1');

    await second.start();
    const next = await world.context();
    await operate(next, { operation: 'prune', version: '', reason: '' }, async () => undefined);
    expect(await served()).toEqual(['v1', 'v1']);
    expect(
      new Set(await Promise.all(next.fleet.proxies.map(async (proxy) => (await proxy.state(ctx.id))?.generation))).size,
    ).toBe(1);
    expect((await load.stop()).errors).toEqual({});
  });

  it.skipIf(!hasSshd)('does the same over SSH', async () => {
    const sshd = await startSshd({ DOCKER_HOST: second.url });
    const remote = await fleetWorld([{ url: sshd.url, address: second.address, ssh: sshd.client }]);
    try {
      const over = await remote.context();
      await over.fleet.proxies[0]?.prepare();
      await register(over, aRegistration('v1'));
      await switchTraffic(over, aSwitch(remote.at, 'v1'));
      await register(over, aRegistration('v2'));
      const load = runLoad({ url: remote.urls[0] ?? '', rate: 50 });
      const moved = await switchTraffic(over, aSwitch(remote.at, 'v2'));
      console.info(`a switch over SSH: ${moved.milliseconds} ms`);
      expect((await load.stop()).errors).toEqual({});
      expect(moved).toMatchObject({ liveVersion: 'v2', how: 'instant' });
      expect(await servedVersion(remote.urls[0] ?? '')).toBe('v2');
    } finally {
      await remote.close();
      sshd.stop();
    }
  });
});
