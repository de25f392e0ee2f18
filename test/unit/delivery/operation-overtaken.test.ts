import type { Context } from '@cd-actions/shared/delivery/ports';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { StaleLeaseError } from '@cd-actions/shared/domain/errors';
import { describe, expect, it } from 'vitest';
import { aFakeSwitch, delivered, type Fault, fakeWorld, id } from '../../support/fake-world.ts';
import { aHolder } from '../../support/records.ts';

const stories: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
  'a switch by steps': (ctx) => switchTraffic(ctx, aFakeSwitch('v2', { steps: [30] })),
  'a switch that stops the previous version': (ctx) =>
    switchTraffic(ctx, aFakeSwitch('v2', { keepPrevious: 'stopped' })),
  'a rollback': (ctx) => rollback(ctx, { toVersion: 'v2', reason: '', drainTimeout: 20, force: false }),
};

/** Calls that change what users get. A lease that is lost within one is the adapter's to notice (see nginx/work.ts). */
const LIVE = new Set(['activate', 'forget', 'stop', 'remove', 'restart']);

describe.each(Object.keys(stories))('%s', (story) => {
  it('changes nothing live once another run has the lease, whenever that happens', async () => {
    const whole = await fakeWorld();
    await delivered(whole, ['v1', 'v2'], 'v1');
    const counting = whole.context();
    await stories[story]?.(counting);
    const problems: string[] = [];
    let overtaken = 0;
    for (let at = 2; at <= counting.calls(); at += 1) {
      const world = await fakeWorld();
      await delivered(world, ['v1', 'v2'], 'v1');
      const after: string[] = [];
      let taken = false;
      const before: Fault = (call) => {
        if (call.number === at && !LIVE.has(call.name) && call.name !== 'release') {
          taken = true;
          overtaken += 1;
          world.expireLeases();
          void world.registry.acquire(id, aHolder('bob'), 60_000);
        } else if (taken && LIVE.has(call.name)) after.push(`${call.part}.${call.name}`);
        return null;
      };
      const error: unknown = await stories[story]?.(world.context({ before })).then(
        () => null,
        (reason: unknown) => reason,
      );
      if (taken && after.length > 0) problems.push(`taken over at call ${at}: ${after.join(', ')} (${error})`);
      if (taken && error !== null && !(error instanceof StaleLeaseError)) problems.push(`call ${at}: ${error}`);
    }
    expect(overtaken).toBeGreaterThan(20);
    expect(problems).toEqual([]);
  });
});
