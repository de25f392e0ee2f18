import { LEASE_TTL, withLease } from '@cd-actions/shared/delivery/lease';
import type { Context, LeaseHolder } from '@cd-actions/shared/delivery/ports';
import { StaleLeaseError, UnavailableError, UserError } from '@cd-actions/shared/domain/errors';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../support/clock.ts';
import { FakeRegistry } from '../../support/fake-registry.ts';

const id = 'shop@production';
const what = { operation: 'switch', version: '2.0.0', reason: 'a release' };

function setting(options: { lockWait?: number; signal?: AbortSignal } = {}) {
  const clock = new ManualClock();
  const registry = new FakeRegistry(clock);
  const lines: string[] = [];
  const say = (message: string): void => void lines.push(message);
  const context = (run: string): Context => ({
    id,
    registry,
    fleet: { engines: [], proxies: [] },
    clock,
    log: { debug: say, info: say, warning: say, group: (_title, work) => work() },
    run: { actor: run, url: `https://github.test/runs/${run}`, sha: '', id: run },
    signal: options.signal ?? new AbortController().signal,
    lockWait: options.lockWait ?? 60_000,
  });
  const held = (run: string): LeaseHolder => ({ run: context(run).run, ...what, since: '2030-01-01T00:00:00.000Z' });
  return { clock, registry, lines, context, held };
}

/** Keeps an outcome from being reported as unhandled before the test looks at it. */
function outcome<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: Error) => error);
}

describe('withLease', () => {
  it('keeps the lease through work that outlasts its TTL many times, and frees it at once afterwards', async () => {
    const { clock, registry, context, held } = setting();
    const done = withLease(context('alice'), what, async ({ write, signal }) => {
      await clock.sleep(10 * LEASE_TTL);
      expect(signal.aborted).toBe(false);
      await write({ journal: null });
      return 'done';
    });
    await clock.advance(10 * LEASE_TTL);
    expect(await done).toBe('done');
    expect(clock.sleeping).toBe(0);
    expect(await registry.acquire(id, held('bob'), 1)).toHaveProperty('lease');
  });

  it('frees the lease when the work throws, and throws the same', async () => {
    const { registry, context, held } = setting();
    const bug = new Error('a bug');
    const thrown = await outcome(withLease(context('alice'), what, () => Promise.reject(bug)));
    expect(thrown).toBe(bug);
    expect(await registry.acquire(id, held('bob'), 1)).toHaveProperty('lease');
  });

  it('aborts the work and refuses its writes when another run took the lease', async () => {
    const { clock, registry, context, held } = setting();
    const done = outcome(
      withLease(context('alice'), what, async ({ write, signal }) => {
        await clock.sleep(60_000, signal).catch(() => undefined);
        expect(signal.reason).toBeInstanceOf(StaleLeaseError);
        await write({ journal: null });
      }),
    );
    await clock.advance(1);
    registry.flush();
    await registry.acquire(id, held('bob'), 1_000_000);
    await clock.advance(6_000);
    expect(await done).toBeInstanceOf(StaleLeaseError);
    expect(registry.writes).toEqual([]);
    expect(await registry.acquire(id, held('carol'), 1)).toMatchObject({ heldBy: { run: { id: 'bob' } } });
  });

  it('goes on through a registry that is away for less than the TTL', async () => {
    const { clock, registry, context, lines } = setting();
    const done = withLease(context('alice'), what, ({ signal }) => clock.sleep(40_000, signal));
    await clock.advance(4_000);
    registry.broken = new UnavailableError('Redis', 'Redis is away');
    await clock.advance(9_000);
    registry.broken = null;
    await clock.advance(27_000);
    await done;
    expect(lines.some((line) => line.includes('could not be renewed, trying again: Redis is away'))).toBe(true);
  });

  it('aborts the work no later than the lease can have expired, whether renewals fail or hang', async () => {
    for (const away of ['fails', 'hangs'] as const) {
      const { clock, registry, context } = setting();
      const begun = clock.now();
      let lostAfter = Number.NaN;
      const done = outcome(
        withLease(context('alice'), what, async ({ signal }) => {
          signal.addEventListener('abort', () => {
            lostAfter = clock.now() - begun;
          });
          await clock.sleep(100_000, signal);
        }),
      );
      await clock.advance(6_000);
      if (away === 'fails') registry.broken = new UnavailableError('Redis', 'Redis is away');
      else registry.renew = () => new Promise(() => undefined);
      await clock.advance(30_000);
      expect(await done).toBeInstanceOf(StaleLeaseError);
      expect(lostAfter).toBe(5_000 + LEASE_TTL);
    }
  });

  it('waits for the holder, says who that is once and every 15 s, and goes on when it is free', async () => {
    const { clock, registry, context, held, lines } = setting();
    const first = await registry.acquire(id, held('bob'), 1_000_000);
    const done = withLease(context('alice'), what, async () => clock.now());
    await clock.advance(40_000);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain('bob holds it for switch of 2.0.0, reason: a release (since 2030-01-01T00:00:00.000Z');
    expect(lines[0]).toContain('https://github.test/runs/bob');
    if ('lease' in first) await registry.release(id, first.lease);
    await clock.advance(2_000);
    expect(await done).toBeLessThanOrEqual(clock.now());
  });

  it('takes over the lease of a run that was killed when its TTL has passed', async () => {
    const { clock, registry, context, held } = setting();
    await registry.acquire(id, held('killed'), LEASE_TTL);
    const begun = clock.now();
    const done = withLease(context('alice'), what, async () => clock.now() - begun);
    await clock.advance(20_000);
    expect(await done).toBeLessThan(LEASE_TTL + 100);
  });

  it('gives up after lock-wait, naming the holder and what to do, and asks once when it is 0', async () => {
    for (const lockWait of [0, 10_000]) {
      const { clock, registry, context, held } = setting({ lockWait });
      await registry.acquire(id, held('bob'), 1_000_000);
      const done = outcome(withLease(context('alice'), what, async () => 'never'));
      await clock.advance(lockWait);
      const refused = await done;
      expect(refused).toBeInstanceOf(UserError);
      expect((refused as UserError).message).toContain('bob holds it for switch of 2.0.0');
      expect((refused as UserError).remedy).toContain('lock-wait');
    }
  });

  it('stops waiting when the run is cancelled', async () => {
    const cancel = new AbortController();
    const { clock, registry, context, held } = setting({ signal: cancel.signal });
    await registry.acquire(id, held('bob'), 1_000_000);
    const done = outcome(withLease(context('alice'), what, async () => 'never'));
    await clock.advance(1_000);
    cancel.abort(new UserError('cancelled'));
    expect(await done).toBe(cancel.signal.reason);
    expect(clock.sleeping).toBe(0);
  });

  it('lets cancelled work write while it tidies up, and frees the lease', async () => {
    const cancel = new AbortController();
    const { clock, registry, context, held } = setting({ signal: cancel.signal });
    const done = outcome(
      withLease(context('alice'), what, async ({ signal, write }) => {
        await clock.sleep(60_000, signal).catch(() => undefined);
        await write({ journal: null });
        signal.throwIfAborted();
      }),
    );
    await clock.advance(20_000);
    cancel.abort(new UserError('cancelled'));
    expect(await done).toBe(cancel.signal.reason);
    expect(registry.writes).toHaveLength(1);
    expect(await registry.acquire(id, held('bob'), 1)).toHaveProperty('lease');
  });
});
