import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, type DeliveryWorld, deliveryWorld, servedVersion } from '../support/delivery-world.ts';
import { all, apply, backend, configOf, get, localWorld } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';
import { switchWith } from '../support/switching.ts';

const PAGE = '<!doctype html><meta charset="utf-8"><p>Wir sind gleich zurück. $uri ; } {{x}}</p>\n';

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('maintenance', { timeout: 120_000 }, () => {
  let world: DeliveryWorld;
  let ctx: Context;

  const run = (given: Record<string, string>, files: Record<string, string> = {}) => switchWith(ctx, given, files);
  const move = (given: Record<string, string>) => run({ listen: String(world.at.port), ...given });
  const closed = async () => {
    const { status, headers, body } = await get(`${world.publicUrl}/some/path`);
    return { status, retryAfter: headers['retry-after'], type: headers['content-type'], body };
  };

  beforeAll(async () => {
    world = await deliveryWorld();
    ctx = await world.context();
    for (const proxy of ctx.fleet.proxies) await proxy.prepare();
    for (const version of ['v1', 'v2']) {
      await register(ctx, aRegistration(version));
      await move({ version });
      await recordVerification(ctx, version, 'pass', 'a test');
    }
    await move({ version: 'v1', weight: '30' });
  }, 60_000);
  afterAll(() => world?.close());

  it('answers 503 with Retry-After and a page, at once and under every path', async () => {
    const before = (await ctx.registry.read(ctx.id)).traffic;
    const { moved } = await run({ maintenance: '120s' });
    expect(moved).toMatchObject({ how: 'instant', changed: true, liveVersion: 'v2' });
    expect(await closed()).toMatchObject({ status: 503, retryAfter: '120', type: 'text/html' });
    expect((await closed()).body).toContain('Back soon');
    const { route, plan } = (await ctx.registry.read(ctx.id)).traffic ?? {};
    expect({ route, plan }).toEqual({
      route: before?.route,
      plan: { ...before?.plan, maintenance: { retryAfter: 120 } },
    });
    expect((await world.containers()).filter((each) => each.running)).toHaveLength(2);
  });

  it('can be asked for again, and changed', async () => {
    expect((await run({ maintenance: '120s' })).moved.changed).toBe(false);
    await run({ maintenance: 'on' });
    expect(await closed()).toMatchObject({ status: 503, retryAfter: '60' });
  });

  it("shows a page of the user's own, to every method", async () => {
    await run({ maintenance: '5m', 'maintenance-page': 'site/closed.html' }, { 'site/closed.html': PAGE });
    expect(await closed()).toEqual({ status: 503, retryAfter: '300', type: 'text/html; charset=utf-8', body: PAGE });
    for (const method of ['POST', 'PUT', 'DELETE', 'HEAD']) {
      const body = method === 'HEAD' ? {} : { body: 'x' };
      const answer = await fetch(`${world.publicUrl}/x.png`, { method, ...body });
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '300']);
      expect(await answer.text()).toBe(method === 'HEAD' ? '' : PAGE);
    }
  });

  it('gives no other way to the page, and none to other files', async () => {
    await run({ maintenance: 'off' });
    expect(await servedVersion(`${world.publicUrl}/`)).toMatch(/^v[12]$/);
    const shown = await get(`${world.publicUrl}/.cd-actions/maintenance/${ctx.id}`);
    expect([shown.status, shown.body.includes('zurück')]).toEqual([404, false]);
  });

  it('ends with off: the plan as before, and off again changes nothing', async () => {
    expect((await ctx.registry.read(ctx.id)).traffic?.plan).toMatchObject({
      targets: [
        { version: 'v2', weight: 70 },
        { version: 'v1', weight: 30 },
      ].sort((a, b) => a.weight - b.weight),
      maintenance: null,
    });
    expect((await run({ maintenance: 'off' })).moved.changed).toBe(false);
  });

  it('keeps the page for the next time, and survives a crash of Nginx', async () => {
    await run({ maintenance: 'on' });
    await world.docker.getContainer(world.at.nginx).restart({ t: 0 });
    await expect.poll(closed, { timeout: 10_000 }).toMatchObject({ status: 503, body: PAGE });
  });

  it('ends with a switch, and with a rollback', async () => {
    await move({ version: 'v2' });
    expect(await servedVersion(world.publicUrl)).toBe('v2');
    await run({ maintenance: 'on' });
    expect((await closed()).status).toBe(503);
    await rollback(ctx, { toVersion: 'v1', reason: '', drainTimeout: 3000, force: false });
    expect(await servedVersion(world.publicUrl)).toBe('v1');
  });

  it('refuses to take another route along, and to maintain what was never live', async () => {
    await expect(run({ maintenance: 'on', 'server-name': 'other.example.org' })).rejects.toThrow(/`server-name`/);
    const other = await deliveryWorld('other');
    try {
      await expect(switchWith(await other.context(), { maintenance: 'on' })).rejects.toThrow(/no live traffic/);
    } finally {
      await other.close();
    }
  });
});

describe.skipIf(!parts.nginx)('maintenance on an Nginx without njs', { timeout: 60_000 }, () => {
  it('comes and goes by a reload, with the page', async () => {
    const world = await localWorld();
    const live = await backend('v1');
    try {
      const config = (generation: number, maintenance: { retryAfter: number } | null) =>
        configOf(world, { v1: live.port }, generation, all('v1'), {
          plan: { maintenance },
          route: { maintenancePage: PAGE },
        });
      await apply(world.proxy, config(1, { retryAfter: 90 }));
      const closed = await get(world.url);
      expect([closed.status, closed.headers['retry-after'], closed.body]).toEqual([503, '90', PAGE]);
      await apply(world.proxy, config(2, null));
      expect((await get(world.url)).body).toBe('v1');
    } finally {
      await live.close();
      await world.close();
    }
  });
});
