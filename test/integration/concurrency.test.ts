import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freeLease } from '@cd-actions/shared/compose/context';
import { operate } from '@cd-actions/shared/delivery/operation';
import type { Context, Lease } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { UserError } from '@cd-actions/shared/domain/errors';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  aRegistration,
  aSwitch,
  type DeliveryWorld,
  deliveryWorld,
  memoryLog,
  servedVersion,
} from '../support/delivery-world.ts';
import type { Order } from '../support/killed-run.ts';
import { parts } from '../support/parts.ts';

const CHILD = join(import.meta.dirname, '../support/killed-run.ts');
const QUIET = '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON';
const LEASE_TTL = 1500;
const nothing = async (): Promise<void> => undefined;

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('two runs at once', { timeout: 60_000 }, () => {
  let world: DeliveryWorld;
  const images: string[] = [];

  beforeAll(async () => {
    world = await deliveryWorld();
    const ctx = await world.context();
    await ctx.fleet.proxies[0]?.prepare();
  }, 60_000);
  afterAll(async () => {
    await world?.close();
    if (images.length > 0) execFileSync('docker', ['rmi', '-f', ...images], { stdio: 'pipe' });
  });

  /** The sample application as if it had been built at that time. */
  function imageOf(created: string): string {
    const tag = `${world.at.network}:${created.replaceAll(/\D/g, '')}`;
    const input = `FROM ${parts.images?.app}\nLABEL org.opencontainers.image.created=${created}\n`;
    execFileSync('docker', ['build', '-q', '-t', tag, '-'], { input, stdio: ['pipe', 'pipe', 'pipe'] });
    images.push(tag);
    return tag;
  }

  /** What a workflow run does, in a context of its own. */
  async function deliver(version: string, image: string): Promise<void> {
    const ctx = await world.context();
    const request = aRegistration(version);
    await register(ctx, { ...request, spec: { ...request.spec, image }, allowOlder: false });
    await switchTraffic(ctx, aSwitch(world.at, version));
  }

  it.each([
    ['the older', ['older', 'newer']],
    ['the newer', ['newer', 'older']],
  ] as const)('of which %s begins first: they take turns, and the newer wins', async (_which, order) => {
    const year = order[0] === 'older' ? 2011 : 2013;
    const made = { older: imageOf(`${year}-01-01T00:00:00Z`), newer: imageOf(`${year + 1}-01-01T00:00:00Z`) };
    const load = runLoad({ url: world.publicUrl, rate: 50 });
    const version = (name: 'older' | 'newer'): string => `${name}-${year}`;
    const began = order.map(async (name, index) => {
      await wait(index * 50);
      return deliver(version(name), made[name]);
    });
    const outcomes = await Promise.allSettled(began);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') continue;
      expect(order[index]).toBe('older');
      expect(outcome.reason).toBeInstanceOf(UserError);
      expect(outcome.reason.message).toMatch(/older than|newer/);
    }
    const result = await load.stop();
    if (year === 2013) expect(result.errors).toEqual({});
    expect(await servedVersion(world.publicUrl)).toBe(version('newer'));
    const ctx = await world.context();
    expect((await ctx.registry.read(ctx.id)).journal).toBeNull();
  });

  it('of which the older finishes late: registering and switching are refused, and say why', async () => {
    const early = { late: imageOf('2016-01-01T00:00:00Z'), won: imageOf('2017-01-01T00:00:00Z') };
    const ctx = await world.context();
    const late = aRegistration('late');
    await register(ctx, { ...late, spec: { ...late.spec, image: early.late }, allowOlder: false });
    await deliver('won', early.won);
    await expect(switchTraffic(ctx, aSwitch(world.at, 'late'))).rejects.toThrow(
      /late was pruned: it is older than won, which went live/,
    );
    await expect(deliver('late', early.late)).rejects.toThrow(/late \(2016-.* is older than won \(2017-.*live/);
    expect(await servedVersion(world.publicUrl)).toBe('won');
  });

  it('names who holds the lease, where, for what version and why, when the wait is over', async () => {
    const holder = await world.context();
    const waiter = await world.context({ lockWait: 300 });
    let finish = (): void => undefined;
    const holding = operate(
      { ...holder, run: { ...holder.run, actor: 'alice', url: 'https://github.test/runs/7' } },
      { operation: 'switch', version: '9.9.9', reason: 'a hot fix' },
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    await wait(500);
    const began = Date.now();
    await expect(switchTraffic(waiter, aSwitch(world.at, 'won'))).rejects.toThrow(
      /alice holds it for switch of 9\.9\.9, reason: a hot fix .*https:\/\/github\.test\/runs\/7/,
    );
    expect(Date.now() - began).toBeLessThan(2000);
    finish();
    await holding;
  });

  describe('of which one is killed or paused', () => {
    let ctx: Context;
    beforeAll(async () => {
      ctx = await world.context({ leaseTtl: LEASE_TTL });
      for (const version of ['v1', 'v2']) await register(ctx, aRegistration(version));
      await switchTraffic(ctx, aSwitch(world.at, 'v1'));
    });
    const children: number[] = [];
    afterEach(() => {
      for (const pid of children.splice(0))
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
    });

    const order = (over: Partial<Order>): Order => ({
      at: world.at,
      story: 'switch',
      version: 'v2',
      killAtCall: 0,
      killAfter: 0,
      signal: 'SIGSTOP',
      leaseTtl: LEASE_TTL,
      ...over,
    });

    function start(what: Order) {
      const child = spawn(process.execPath, [QUIET, CHILD, JSON.stringify(what)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      const pid = child.pid ?? 0;
      children.push(pid);
      const ended = once(child, 'close').then(() => said);
      return { pid, ended, signal: (name: NodeJS.Signals) => child.kill(name) };
    }

    async function untilStopped(pid: number): Promise<void> {
      for (const limit = Date.now() + 20_000; Date.now() < limit; await wait(20))
        if (/^\d+ \(.*\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
      throw new Error('it was not stopped');
    }

    it('frees the lease of a killed one within its TTL', async () => {
      const run = start(order({ signal: 'SIGKILL', killAtMethod: ['activate', 2] }));
      await run.ended;
      const began = Date.now();
      const next = await world.context({ leaseTtl: LEASE_TTL, lockWait: 10_000 });
      await operate(next, { operation: 'prune', version: '', reason: '' }, nothing);
      console.info(
        `lease of a killed run (TTL ${LEASE_TTL} ms): the next run had finished ${Date.now() - began} ms later`,
      );
      expect(Date.now() - began).toBeLessThan(LEASE_TTL + 3000);
    });

    it('frees it at once in the post step', async () => {
      const holder = await world.context();
      let lease: Lease | null = null;
      const held = new Promise<void>((resolve) => {
        const onLease = (taken: Lease | null): void => {
          lease ??= taken;
          resolve();
        };
        // Never ends, as a run that was killed: only its post step comes.
        void operate(
          { ...holder, onLease },
          { operation: 'switch', version: '', reason: '' },
          () => new Promise(() => undefined),
        ).catch(nothing);
      });
      await held;
      await wait(500);
      const [app, environment] = world.at.id.split('@');
      const values = { app, environment, 'redis-url': world.at.redisUrl } as Parameters<typeof freeLease>[1];
      const toolkit = { log: memoryLog() } as unknown as Parameters<typeof freeLease>[2];
      await freeLease(() => JSON.stringify(lease), values, toolkit);
      const next = await world.context({ lockWait: 0 });
      await operate(next, { operation: 'prune', version: '', reason: '' }, nothing);
    });

    it.each([
      ['before it looks at the hosts', ['find', 1]],
      ['before it tells Nginx anything', ['stage', 2]],
      ['in the very moment in which it moves the first share', ['activate', 2]],
      ['in the very moment in which it moves the last share', ['activate', 3]],
      ['before it commits', ['write', 2]],
      ['while it drains', ['connections', 1]],
    ] as const)('lets one that was paused %s change nothing after another took over', async (_when, killAtMethod) => {
      const [mine, theirs] = [`mine-${killAtMethod.join('')}`, `theirs-${killAtMethod.join('')}`];
      for (const version of [mine, theirs]) await register(ctx, aRegistration(version));
      const load = runLoad({ url: world.publicUrl, rate: 50, keepAlive: 'fresh' });
      const paused = start(order({ version: mine, killAtMethod }));
      await untilStopped(paused.pid);
      await wait(LEASE_TTL);
      const lines: string[] = [];
      const next = await world.context({ leaseTtl: LEASE_TTL, lockWait: 5000, log: memoryLog(lines) });
      await switchTraffic(next, aSwitch(world.at, theirs, { drainTimeout: 300 }));
      const before = await next.registry.read(next.id);
      const generation = (await next.fleet.proxies[0]?.state(next.id))?.generation;
      paused.signal('SIGCONT');
      expect(await paused.ended).toMatch(/lease of .* (was lost|could not be renewed)|Another run has|Redis/);
      expect(await servedVersion(world.publicUrl)).toBe(theirs);
      expect((await next.fleet.proxies[0]?.state(next.id))?.generation).toBe(generation);
      expect(await next.registry.read(next.id)).toEqual(before);
      lines.splice(0);
      await operate(next, { operation: 'prune', version: '', reason: '' }, nothing);
      expect(lines).toEqual([]);
      expect((await load.stop()).errors).toEqual({});
    });
  });
});
