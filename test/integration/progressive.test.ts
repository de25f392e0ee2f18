import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { binomialRange } from '@cd-actions/shared/domain/binomial';
import { findRelease } from '@cd-actions/shared/domain/deployment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summary } from '../../actions/switch-traffic/src/summary.ts';
import { aRegistration, type DeliveryWorld, deliveryWorld } from '../support/delivery-world.ts';
import { parts } from '../support/parts.ts';
import { switchWith } from '../support/switching.ts';
import { type Answer, again, askAll, countOf, newUsers } from '../support/users.ts';

const USERS = 4000;

/** How far `hits` of `count` lie from the weight in percent, in standard deviations of that many independent draws. 4.5 happens once in 150,000. */
const deviation = (hits: number, count: number, weight: number): number =>
  Math.abs((hits / count) * 100 - weight) / Math.sqrt((weight * (100 - weight)) / count);

const expectShare = (users: readonly Answer[], version: string, weight: number): void =>
  expect(deviation(countOf(users, version), users.length, weight)).toBeLessThan(4.5);

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('progressive delivery', { timeout: 120_000 }, () => {
  let world: DeliveryWorld;
  let ctx: Context;
  let users: readonly Answer[] = [];

  const move = (given: Record<string, string>, context = ctx) =>
    switchWith(context, { listen: String(world.at.port), ...given });
  const weights = async () => (await ctx.registry.read(ctx.id)).traffic?.plan.targets;
  const release = async (version: string) => findRelease(await ctx.registry.read(ctx.id), version);
  const running = async (version: string) =>
    (await world.containers()).filter((each) => each.version === version).map((each) => each.running);

  beforeAll(async () => {
    world = await deliveryWorld();
    ctx = await world.context();
    for (const proxy of ctx.fleet.proxies) await proxy.prepare();
    await register(ctx, aRegistration('v1'));
    await move({ version: 'v1' });
    await register(ctx, aRegistration('v2'));
  }, 60_000);
  afterAll(() => world?.close());

  it('gives a canary its weight, pauses there, and keeps both versions', async () => {
    const { moved } = await move({ version: 'v2', weight: '5' });
    expect(moved).toMatchObject({ how: 'instant', liveVersion: 'v1' });
    users = await newUsers(world.publicUrl, USERS);
    expectShare(users, 'v2', 5);
    expect([await running('v1'), await running('v2')]).toEqual([[true], [true]]);
  });

  it('moves nobody back while the weight rises, and gives newcomers the new share', async () => {
    let before = users;
    for (const weight of [25, 50]) {
      await move({ version: 'v2', weight: String(weight) });
      const now = await again(world.publicUrl, users);
      expect(before.filter((user, index) => user.version === 'v2' && now[index]?.version !== 'v2')).toEqual([]);
      expectShare(now, 'v2', weight);
      expectShare(await newUsers(world.publicUrl, USERS), 'v2', weight);
      before = now;
    }
    users = users.map(({ cookie }, index) => ({ ...(before[index] as Answer), cookie }));
  });

  it('moves only users of the candidate while its weight falls', async () => {
    await move({ version: 'v2', weight: '10' });
    const now = await again(world.publicUrl, users);
    expect(users.filter((user, index) => user.version === 'v1' && now[index]?.version !== 'v1')).toEqual([]);
    expectShare(now, 'v2', 10);
  });

  it('aborts at exactly 0: drained, its containers and its record gone', async () => {
    const { moved } = await move({ version: 'v2', weight: '0' });
    expect(moved).toMatchObject({ liveVersion: 'v1', changed: true });
    expect(await weights()).toEqual([{ version: 'v1', weight: 100 }]);
    expect(countOf(await again(world.publicUrl, users), 'v1')).toBe(users.length);
    expect([await running('v2'), await release('v2')]).toEqual([[], undefined]);
    expect((await ctx.registry.read(ctx.id)).journal).toBeNull();
  });

  it('returns to the weights before when it is cancelled between two steps', async () => {
    await register(ctx, aRegistration('v3'));
    await move({ version: 'v3', weight: '20' });
    const cancel = new AbortController();
    const cancelled = await world.context({ signal: cancel.signal });
    const moving = move({ version: 'v3', steps: '40,60,80', 'step-interval': '30s' }, cancelled);
    moving.catch(() => undefined);
    await expect.poll(weights, { timeout: 10_000 }).toContainEqual({ version: 'v3', weight: 40 });
    cancel.abort(new Error('SIGTERM'));
    await expect(moving).rejects.toThrow('SIGTERM');
    expect(await weights()).toEqual([
      { version: 'v3', weight: 20 },
      { version: 'v1', weight: 80 },
    ]);
    expectShare(await newUsers(world.publicUrl, USERS), 'v3', 20);
  });

  it('sends testers to a version by header and by cookie, also one without any weight', async () => {
    await register(ctx, aRegistration('v4'));
    await move({ version: 'v4', weight: '0', 'match-header': 'X-Try=new', 'match-cookie': 'try=new' });
    expect(countOf(await newUsers(world.publicUrl, 500), 'v4')).toBe(0);
    const [header, cookie, wrong] = [{ 'x-try': 'new' }, { cookie: 'a=1; try=new' }, { 'x-try': 'newer' }];
    const answers = await askAll(world.publicUrl, [header, cookie, wrong]);
    expect(answers.map(({ version }) => version === 'v4')).toEqual([true, true, false]);
    expect(await release('v4')).toMatchObject({ state: 'candidate' });
    await move({ version: 'v4', weight: '0' });
    expect([await running('v4'), await release('v4')]).toEqual([[], undefined]);
  });

  it('draws each request by itself without sticky, and sets no cookie', async () => {
    await move({ version: 'v3', weight: '50', sticky: 'false' });
    const same = await askAll(
      world.publicUrl,
      Array.from({ length: 1000 }, () => ({ cookie: 'cd_client=one' })),
    );
    expectShare(same, 'v3', 50);
    expect(new Set(same.map(({ cookie }) => cookie))).toEqual(new Set(['']));
  });

  it('promotes, and shows what each step brought beside the range of its draws', async () => {
    await move({ version: 'v3', weight: '20' });
    const moving = move({ version: 'v3', steps: '50', 'step-interval': '6s' });
    await expect.poll(weights, { timeout: 10_000 }).toContainEqual({ version: 'v3', weight: 50 });
    await wait(500);
    // Nginx writes its log once a second, and this process has much to do: some of the requests are counted, none that was not sent.
    const seen = await newUsers(world.publicUrl, 1500);
    const { moved } = await moving;
    const [share] = moved.shares;
    const { v1 = 0, v3 = 0 } = share?.served?.newUsers ?? {};
    expect([moved.shares.length, share?.served?.cut]).toEqual([1, false]);
    expect(v3).toBeLessThanOrEqual(countOf(seen, 'v3'));
    expect(v1 + v3).toBeGreaterThan(100);
    const { low, high } = binomialRange(50, v1 + v3);
    const percent = (v3 / (v1 + v3)) * 100;
    expect(deviation(v3, v1 + v3, 50)).toBeLessThan(4.5);
    expect(summary(moved)).toContain(`${percent.toFixed(1)} % | ${low.toFixed(1)} to ${high.toFixed(1)} % |`);
    expect(await weights()).toEqual([{ version: 'v3', weight: 100 }]);
  });

  it.each([
    ['running', [true], 'standby'],
    ['stopped', [false], 'stopped'],
    ['none', [], 'stopped'],
  ])('keeps the previous version %s', async (keep, containers, state) => {
    const [previous, next] = [(await weights())?.[0]?.version ?? '', `after-${keep}`];
    await register(ctx, aRegistration(next));
    await move({ version: next, 'keep-previous': keep });
    expect(await running(previous)).toEqual(containers);
    expect(await release(previous)).toMatchObject({ state });
  });
});
