import { operate } from '@cd-actions/shared/delivery/operation';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { removeApp } from '@cd-actions/shared/delivery/remove';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { type SwitchRequest, switchTraffic } from '@cd-actions/shared/delivery/switch';
import type { Deployment } from '@cd-actions/shared/domain/deployment';
import { UnavailableError } from '@cd-actions/shared/domain/errors';
import { shift, type Traffic } from '@cd-actions/shared/domain/traffic';
import { describe, expect, it } from 'vitest';
import { realClock } from '../../support/clock.ts';
import {
  aFakeRegistration,
  aFakeSwitch,
  delivered,
  type FakeWorld,
  type Fault,
  fakeWorld,
  id,
} from '../../support/fake-world.ts';

const stories: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
  'a first switch': (ctx) => switchTraffic(ctx, aFakeSwitch('v1')),
  'a switch by steps': (ctx) => switchTraffic(ctx, aFakeSwitch('v2', { steps: [30] })),
  'a switch that stops the previous version': (ctx) =>
    switchTraffic(ctx, aFakeSwitch('v2', { keepPrevious: 'stopped' })),
  'a switch that removes the previous version': (ctx) =>
    switchTraffic(ctx, aFakeSwitch('v2', { keepPrevious: 'none' })),
  'a switch that prunes': (ctx) => switchTraffic(ctx, aFakeSwitch('v4')),
  'a rollback': (ctx) => rollback(ctx, { toVersion: 'v2', reason: '', drainTimeout: 20, force: false }),
  'an abort': (ctx) => switchTraffic(ctx, { ...aFakeSwitch('v4'), wanted: anAbort }),
  maintenance: (ctx) => switchTraffic(ctx, { ...aFakeSwitch(''), wanted: aClosure }),
  'a removal': (ctx) => removeApp(ctx, { reason: '', drainTimeout: 20 }),
  'a registration over a candidate': (ctx) => register(ctx, aFakeRegistration('v3')),
  'a registration': (ctx) => register(ctx, aFakeRegistration('v3')),
};

const live = ({ traffic }: Deployment): Traffic => {
  if (!traffic) throw new Error('nothing is live');
  return traffic;
};
const anAbort: SwitchRequest['wanted'] = (deployment) => {
  const { route, plan } = live(deployment);
  return { route, plan: { ...plan, targets: [{ version: 'v1', weight: 100 }] }, abandoned: ['v4'] };
};
const aClosure: SwitchRequest['wanted'] = (deployment) => {
  const { route, plan } = live(deployment);
  return { route, plan: { ...plan, maintenance: { retryAfter: 60 } } };
};

async function begin(story: string): Promise<FakeWorld> {
  const world = await fakeWorld();
  if (story === 'a first switch') await register(world.context(), aFakeRegistration('v1'));
  else await delivered(world, ['v1', 'v2'], 'v1');
  if (story === 'a switch that prunes') {
    await register(world.context(), aFakeRegistration('overtaken'));
    await realClock.sleep(2);
    await register(world.context(), aFakeRegistration('v4'));
  }
  if (story === 'an abort') {
    await register(world.context(), aFakeRegistration('v4'));
    const canary: SwitchRequest['wanted'] = (deployment) => {
      const { route, plan } = live(deployment);
      return { route, plan: { ...plan, targets: shift(plan, 'v4', 10) } };
    };
    await switchTraffic(world.context(), { ...aFakeSwitch('v4'), wanted: canary });
  }
  if (story === 'a registration over a candidate') await register(world.context(), aFakeRegistration('v3', 2));
  return world;
}

/** Hosts that can be reached never stay on different versions, not even until the next run. */
async function differences(world: FakeWorld): Promise<readonly string[]> {
  const plans = await Promise.all(
    world.proxies.map(async (proxy) => JSON.stringify((await proxy.lastKnownGood(id))?.plan)),
  );
  return new Set(plans).size === 1 ? [] : [`the hosts serve different plans: ${plans.join(' and ')}`];
}

const away = (part: string): Error => new UnavailableError(part, `${part} is away.`);

/** Each makes the faults of one run from the number of a call. */
const kinds: Readonly<Record<string, (from: number) => { before?: Fault; after?: Fault }>> = {
  'is refused': (from) => ({ before: ({ number, part }) => (number === from ? away(part) : null) }),
  'is carried out and its answer lost': (from) => ({
    after: ({ number, part }) => (number === from ? away(part) : null),
  }),
  'finds the registry gone for good': (from) => ({
    before: ({ number, part }) => (number >= from && part === 'registry' ? away(part) : null),
  }),
  'finds the second host gone for good': (from) => ({
    before: ({ number, part }) => (number >= from && part.startsWith('b.') ? away(part) : null),
  }),
  'finds the Nginx of the second host gone for good': (from) => ({
    before: ({ number, part }) => (number >= from && part === 'b.proxy' ? away(part) : null),
  }),
};

describe.each(Object.keys(stories))('%s', { timeout: 120_000 }, (story) => {
  it.each(Object.keys(kinds))(
    'in which any one call %s: one version serves, and the next run puts all in order',
    async (kind) => {
      const whole = (await begin(story)).context();
      await stories[story]?.(whole);
      const count = whole.calls();
      expect(count).toBeGreaterThan(10);
      const problems: string[] = [];
      for (let from = 1; from <= count; from += 1) {
        const world = await begin(story);
        let said = 'nothing';
        await stories[story]?.(world.context(kinds[kind]?.(from))).catch((error: Error) => {
          said = error.message;
        });
        const after = [...(await world.outages()), ...(kind.includes('host') ? [] : await differences(world))];
        world.expireLeases();
        await operate(world.context(), { operation: 'prune', version: '', reason: '' }, async () => undefined).catch(
          (error: Error) => {
            problems.push(`call ${from}: the next run failed: ${error.message}`);
          },
        );
        problems.push(...[...after, ...(await world.disorder())].map((line) => `call ${from} (${said}): ${line}`));
      }
      expect(problems).toEqual([]);
    },
  );
});
