import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import { findRelease } from '@cd-actions/shared/domain/deployment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, type DeliveryWorld, deliveryWorld, servedVersion } from '../support/delivery-world.ts';
import { parts } from '../support/parts.ts';

describe.skipIf(!parts.docker || !parts.images || !parts.redis)(
  'a delivery on the real parts',
  { timeout: 120_000 },
  () => {
    let world: DeliveryWorld;
    let ctx: Context;

    beforeAll(async () => {
      world = await deliveryWorld();
      ctx = await world.context();
      for (const proxy of ctx.fleet.proxies) await proxy.prepare();
    }, 60_000);
    afterAll(() => world?.close());

    const release = async (version: string) => findRelease(await ctx.registry.read(ctx.id), version);

    it('registers instances that are healthy, without traffic', async () => {
      const { release: registered, changed } = await register(ctx, aRegistration('v1', { replicas: 2 }));
      expect(changed).toBe(true);
      expect(registered.instances).toHaveLength(2);
      expect(await release('v1')).toMatchObject({ state: 'candidate', version: 'v1' });
      expect((await world.containers()).map((each) => each.running)).toEqual([true, true]);
      expect(await servedVersion(world.publicUrl)).toBe('');
    });

    it('changes nothing when the same is registered again', async () => {
      const before = await world.containers();
      expect(await register(ctx, aRegistration('v1', { replicas: 2 }))).toMatchObject({ changed: false });
      expect(await world.containers()).toEqual(before);
    });

    it('gives the first version the traffic, and can verify and leave it', async () => {
      const moved = await switchTraffic(ctx, aSwitch(world.at, 'v1'));
      expect(moved).toMatchObject({ liveVersion: 'v1', previousVersion: '', changed: true, cut: 0 });
      expect(await servedVersion(world.publicUrl)).toBe('v1');
      await recordVerification(ctx, 'v1', 'pass', 'a test');
      expect((await release('v1'))?.verifiedAt).not.toBe('');
    });

    it('moves traffic to a second version without a reload and keeps the first warm', async () => {
      await register(ctx, aRegistration('v2'));
      const moved = await switchTraffic(ctx, aSwitch(world.at, 'v2', { steps: [10, 50], stepInterval: 50 }));
      expect(moved).toMatchObject({ liveVersion: 'v2', previousVersion: 'v1', how: 'instant', changed: true });
      expect(await servedVersion(world.publicUrl)).toBe('v2');
      expect(await release('v1')).toMatchObject({ state: 'standby' });
      expect((await world.containers()).filter((each) => each.version === 'v1' && each.running)).toHaveLength(2);
    });

    it('does nothing when asked for what is live', async () => {
      expect(await switchTraffic(ctx, aSwitch(world.at, 'v2'))).toMatchObject({ changed: false, how: 'nothing' });
    });

    it('returns to the last verified version when the new one fails verification', async () => {
      await recordVerification(ctx, 'v2', 'fail', 'a test');
      const { moved, fromVersion, restarted } = await rollback(ctx, {
        toVersion: '',
        reason: 'broken',
        drainTimeout: 3000,
        force: false,
      });
      expect({ live: moved.liveVersion, fromVersion, restarted }).toEqual({
        live: 'v1',
        fromVersion: 'v2',
        restarted: 0,
      });
      expect(await servedVersion(world.publicUrl)).toBe('v1');
      await expect(rollback(ctx, { toVersion: 'v2', reason: '', drainTimeout: 0, force: false })).rejects.toThrow(
        /marked failed/,
      );
    });

    it('removes what it started when an instance does not become healthy, and says why', async () => {
      const before = await world.containers();
      const failing = { ...aRegistration('v3', { faults: 'exit-at-start=3' }) };
      await expect(register(ctx, failing)).rejects.toThrow(/exit code 3[\s\S]*Health checks:[\s\S]*Last log lines:/);
      expect(await world.containers()).toEqual(before);
      expect(await release('v3')).toBeUndefined();
      expect((await ctx.registry.read(ctx.id)).journal).toBeNull();
      expect(await servedVersion(world.publicUrl)).toBe('v1');
    });

    it('starts a stopped version again before it gets traffic', async () => {
      await register(ctx, aRegistration('v4'));
      await switchTraffic(ctx, aSwitch(world.at, 'v4', { keepPrevious: 'stopped' }));
      expect(await release('v1')).toMatchObject({ state: 'stopped' });
      expect((await world.containers()).filter((each) => each.version === 'v1' && each.running)).toHaveLength(0);
      const back = await rollback(ctx, { toVersion: '', reason: '', drainTimeout: 3000, force: false });
      expect(back).toMatchObject({ restarted: 2, fromVersion: 'v4' });
      expect(await servedVersion(world.publicUrl)).toBe('v1');
    });

    it('keeps a history of who did what', async () => {
      const events = (await ctx.registry.history(ctx.id, 100)).map((event) => event.event);
      expect(new Set(events)).toEqual(
        new Set(['registered', 'switched', 'verified', 'failed', 'rolled-back', 'retired', 'removed']),
      );
    });
  },
);
