import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  aRegistration,
  closeContext,
  type DeliveryWorld,
  deliveryWorld,
  openContext,
} from '../support/delivery-world.ts';
import { get } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';
import { switchWith } from '../support/switching.ts';

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('two apps on one host', { timeout: 120_000 }, () => {
  let world: DeliveryWorld;
  let shop: Context;
  let blog: Context;

  const move = (ctx: Context, version: string) =>
    switchWith(ctx, { version, listen: String(world.at.port), 'server-name': `${ctx.id.split('@')[0]}.test` });
  const served = async (name: string) => {
    const { status, headers } = await get(world.publicUrl, { host: `${name}.test` });
    return `${status} ${headers['x-version'] ?? ''}`.trim();
  };

  beforeAll(async () => {
    world = await deliveryWorld();
    shop = await world.context();
    const [, environment = ''] = shop.id.split('@');
    blog = await openContext({ ...world.at, id: `blog@${environment}` });
    for (const proxy of shop.fleet.proxies) await proxy.prepare();
    for (const [ctx, version] of [
      [shop, 's1'],
      [blog, 'b1'],
    ] as const) {
      await register(ctx, aRegistration(version));
      await move(ctx, version);
    }
  }, 90_000);
  afterAll(async () => {
    if (blog) {
      await switchWith(blog, { remove: 'true', 'drain-timeout': '0s' }).catch(() => undefined);
      await closeContext(blog);
    }
    await world?.close();
  });

  it("moves one app's traffic while the other's containers are gone", async () => {
    const { releases } = await blog.registry.read(blog.id);
    for (const { id } of releases[0]?.instances ?? []) await world.docker.getContainer(id).remove({ force: true });
    await register(shop, aRegistration('s2'));
    await move(shop, 's2');
    expect([await served('shop'), (await served('blog')).slice(0, 2)]).toEqual(['200 s2', '50']);
    await register(blog, aRegistration('b2'));
    await move(blog, 'b2');
    expect(await served('blog')).toBe('200 b2');
  });

  it('removes an app for good, and leaves the other', async () => {
    const { moved } = await switchWith(shop, { remove: 'true', reason: 'sold' });
    expect(moved).toMatchObject({ changed: true, liveVersion: '', previousVersion: 's2' });
    expect([await served('shop'), await served('blog')]).toEqual(['404', '200 b2']);
    expect(await world.containers()).toEqual([]);
    expect(await shop.registry.read(shop.id)).toEqual({ id: shop.id, releases: [], traffic: null, journal: null });
    expect((await shop.registry.history(shop.id, 1))[0]).toMatchObject({ event: 'removed', reason: 'sold' });
    expect((await switchWith(shop, { remove: 'true' })).moved.changed).toBe(false);
  });

  it('lets the app come back as a new one', async () => {
    await register(shop, aRegistration('s1'));
    await move(shop, 's1');
    expect([await served('shop'), await served('blog')]).toEqual(['200 s1', '200 b2']);
  });

  it('refuses a removal that also says how to serve the app', async () => {
    await expect(switchWith(shop, { remove: 'true', version: 's1' })).rejects.toThrow(/Input `version`: .*`remove`/);
  });
});
