import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import { findRelease } from '@cd-actions/shared/domain/deployment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, type DeliveryWorld, deliveryWorld, servedVersion } from '../support/delivery-world.ts';
import { parts } from '../support/parts.ts';

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('a rollback', { timeout: 120_000 }, () => {
  let world: DeliveryWorld;
  let ctx: Context;

  const back = (toVersion: string, force = false) =>
    rollback(ctx, { toVersion, reason: 'a test', drainTimeout: 3000, force });
  const deliver = async (version: string, options: Parameters<typeof aRegistration>[1] = {}) => {
    await register(ctx, aRegistration(version, options));
    await switchTraffic(ctx, aSwitch(world.at, version));
  };
  const release = async (version: string) => findRelease(await ctx.registry.read(ctx.id), version);
  const generation = async () => (await ctx.registry.read(ctx.id)).traffic?.generation;
  const removeByHand = async (version: string) => {
    for (const each of await world.containers())
      if (each.version === version) await world.docker.getContainer(each.id).remove({ force: true, v: true });
  };

  beforeAll(async () => {
    world = await deliveryWorld();
    ctx = await world.context();
    for (const proxy of ctx.fleet.proxies) await proxy.prepare();
    for (const version of ['v1', 'v2', 'v3']) {
      await deliver(version);
      await recordVerification(ctx, version, 'pass', 'a test');
    }
  }, 90_000);
  afterAll(() => world?.close());

  it('goes to a warm version at once, and moves all of the traffic', async () => {
    const began = performance.now();
    const { moved, fromVersion, restarted } = await back('v2');
    expect({ live: moved.liveVersion, how: moved.how, fromVersion, restarted }).toEqual({
      live: 'v2',
      how: 'instant',
      fromVersion: 'v3',
      restarted: 0,
    });
    expect(moved.milliseconds).toBeLessThan(1000);
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(await servedVersion(world.publicUrl)).toBe('v2');
  });

  it('goes to a stopped version by name, which is started first', async () => {
    expect(await release('v1')).toMatchObject({ state: 'stopped' });
    expect(await back('v1')).toMatchObject({ restarted: 1, fromVersion: 'v2' });
    expect(await servedVersion(world.publicUrl)).toBe('v1');
  });

  it('starts a version from its image again when its containers were removed', async () => {
    await removeByHand('v2');
    const { restarted } = await back('v2');
    expect(restarted).toBe(1);
    expect(await servedVersion(world.publicUrl)).toBe('v2');
    const instances = (await release('v2'))?.instances.map((each) => each.id);
    const containers = (await world.containers()).filter((each) => each.version === 'v2');
    expect(containers.map(({ id, running }) => [id, running])).toEqual(instances?.map((id) => [id, true]));
  });

  it('fails before it touches traffic when the image is gone too', async () => {
    const tag = `cd-actions-test/rollback-${world.at.nginx}`;
    await world.docker.getImage(parts.images?.app ?? '').tag({ repo: tag, tag: '1' });
    // An image of its own: one more layer of configuration is enough for another id.
    const made = await world.docker.createContainer({ Image: `${tag}:1`, Labels: { 'cd-test': world.at.nginx } });
    await made.commit({ repo: tag, tag: '2', changes: 'LABEL cd-test=rollback' });
    await made.remove();
    const base = aRegistration('v4');
    await register(ctx, { ...base, spec: { ...base.spec, image: `${tag}:2` } });
    await switchTraffic(ctx, aSwitch(world.at, 'v4'));
    await deliver('v5');
    await removeByHand('v4');
    await world.docker.getImage(`${tag}:2`).remove({ force: true });
    await world.docker.getImage(`${tag}:1`).remove({ force: true });
    const before = await generation();
    await expect(back('v4')).rejects.toThrow(/v4 cannot be had/);
    expect([await generation(), await servedVersion(world.publicUrl)]).toEqual([before, 'v5']);
    expect((await ctx.registry.read(ctx.id)).journal).toBeNull();
  });

  it('never goes to a version marked failed, unless it is forced', async () => {
    await recordVerification(ctx, 'v5', 'fail', 'a test');
    await back('v2');
    const before = await generation();
    await expect(back('v5')).rejects.toThrow(/marked failed/);
    expect(await generation()).toBe(before);
    await back('v5', true);
    expect(await servedVersion(world.publicUrl)).toBe('v5');
  });

  it('names what there is when the version is not retained', async () => {
    await expect(back('v99')).rejects.toThrow(/not retained\. Retained: .*v2 \(.*verified\)/);
  });

  it('works while the live version crashes over and over', async () => {
    await deliver('v6', { faults: 'crash-after=4000' });
    await expect.poll(() => servedVersion(world.publicUrl), { timeout: 15_000, interval: 100 }).toBe('');
    const { moved, fromVersion } = await back('');
    expect(fromVersion).toBe('v6');
    expect(await servedVersion(world.publicUrl)).toBe(moved.liveVersion);
    expect((await release(moved.liveVersion))?.verifiedAt).not.toBe('');
  });
});
