import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { operate } from '@cd-actions/shared/delivery/operation';
import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, aSwitch, type DeliveryWorld, deliveryWorld, servedVersion } from '../support/delivery-world.ts';
import type { Order } from '../support/killed-run.ts';
import { parts } from '../support/parts.ts';

const CHILD = join(import.meta.dirname, '../support/killed-run.ts');
/** The root package has no `type`, as the bundler needs it; Node says so at every start. */
const QUIET = '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON';
/** Milliseconds: short, so that a killed run's lease is soon free. */
const LEASE_TTL = 1000;
/** The whole matrix with CD_TEST_MATRIX=full (`npm run test:matrix`); else every so many-th point. */
const STRIDE = process.env['CD_TEST_MATRIX'] === 'full' ? 1 : 6;
const RATE = 100;

interface Outcome {
  readonly calls: number;
  readonly milliseconds: number;
  readonly killed: boolean;
  readonly stderr: string;
}

async function runChild(order: Order): Promise<Outcome> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [QUIET, CHILD, JSON.stringify(order)]);
    return { ...(JSON.parse(stdout) as { calls: number; milliseconds: number }), killed: false, stderr: '' };
  } catch (error) {
    const { signal, stderr } = error as { signal?: string; stderr?: string };
    return { calls: 0, milliseconds: 0, killed: signal === 'SIGKILL', stderr: stderr ?? '' };
  }
}

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('a run that is killed', { timeout: 900_000 }, () => {
  let world: DeliveryWorld;
  let ctx: Context;

  beforeAll(async () => {
    world = await deliveryWorld();
    ctx = await world.context({ leaseTtl: LEASE_TTL });
    for (const proxy of ctx.fleet.proxies) await proxy.prepare();
    for (const version of ['v1', 'v2']) {
      await register(ctx, aRegistration(version));
      await switchTraffic(ctx, aSwitch(world.at, version));
      await recordVerification(ctx, version, 'pass', 'a test');
    }
    await switchTraffic(ctx, aSwitch(world.at, 'v1'));
  }, 120_000);
  afterAll(() => world?.close());

  const order = (over: Partial<Order>): Order => ({
    at: world.at,
    story: 'switch',
    version: 'v2',
    killAtCall: 0,
    killAfter: 0,
    signal: 'SIGKILL',
    leaseTtl: LEASE_TTL,
    ...over,
  });

  /** Containers, registry and Nginx agree, nothing is left over, and the lease is free. */
  async function isInOrder(): Promise<void> {
    const deployment = await ctx.registry.read(ctx.id);
    expect(deployment.journal).toBeNull();
    const claimed = deployment.releases.flatMap((release) => release.instances.map((instance) => instance.id));
    expect((await world.containers()).map((each) => each.id).sort()).toEqual(claimed.sort());
    for (const proxy of ctx.fleet.proxies) {
      expect((await proxy.state(ctx.id))?.generation).toBe(deployment.traffic?.generation);
    }
    expect(await leftovers()).toEqual([]);
    const taken = await ctx.registry.acquire(
      ctx.id,
      { run: ctx.run, operation: 'test', version: '', reason: '', since: '' },
      1000,
    );
    expect('lease' in taken).toBe(true);
    if ('lease' in taken) await ctx.registry.release(ctx.id, taken.lease);
  }

  /** Temporary and staged files in the Nginx container. */
  async function leftovers(): Promise<readonly string[]> {
    const script =
      'ls -A /etc/nginx/cd-actions/staging 2>/dev/null; find /etc/nginx/cd-actions -name "*.tmp*" 2>/dev/null';
    const exec = await world.docker
      .getContainer(world.at.nginx)
      .exec({ Cmd: ['sh', '-c', script], AttachStdout: true });
    const stream = await exec.start({ hijack: true, Tty: false });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks)
      .toString('latin1')
      .split('\n')
      .map((line) => line.replaceAll(/[^ -~]/g, ''))
      .filter((line) => line.trim() !== '');
  }

  /** Kills one run under load; then the next run of any action puts everything in order. */
  async function killed(over: Partial<Order>, allowed: readonly string[]): Promise<boolean> {
    const load = runLoad({ url: world.publicUrl, rate: RATE });
    const outcome = await runChild(order(over));
    const afterKill = await servedVersion(world.publicUrl);
    const next = await world.context({ leaseTtl: LEASE_TTL, lockWait: 5000 });
    await operate(next, { operation: 'verify', version: '', reason: 'the next run' }, async () => undefined);
    const result = await load.stop();
    expect(allowed, `after ${JSON.stringify(over)}`).toContain(afterKill);
    expect(result.errors, `under load, ${JSON.stringify(over)}`).toEqual({});
    expect(Object.keys(result.versions).filter((version) => !allowed.includes(version))).toEqual([]);
    await isInOrder();
    return outcome.killed;
  }

  async function reset(): Promise<void> {
    await switchTraffic(ctx, aSwitch(world.at, 'v1', { drainTimeout: 2000 }));
    const strays = (await ctx.registry.read(ctx.id)).releases.filter(
      (release) => !['v1', 'v2'].includes(release.version),
    );
    await operate(ctx, { operation: 'prune', version: '', reason: 'test' }, async (op) => {
      await op.write({ removeReleases: strays.map((release) => release.version) });
      for (const instance of strays.flatMap((release) => release.instances))
        await ctx.fleet.engines[0]?.remove(instance, 0);
    });
  }

  for (const story of ['switch', 'rollback', 'register'] as const) {
    it(`while it does a ${story}, at any call, leaves one version serving and the next run puts all in order`, async () => {
      const version = (n: number): string => (story === 'register' ? `r${n}` : 'v2');
      const whole = await runChild(order({ story, version: version(0) }));
      expect(whole.stderr).toBe('');
      expect(whole.calls).toBeGreaterThan(10);
      await reset();
      // How often a story asks for an instance's health differs from run to run: the first run that ends unharmed had no such call.
      let killedAt = 0;
      for (let call = 1; ; call += STRIDE) {
        const harmed = await killed({ story, version: version(call), killAtCall: call }, ['v1', 'v2']);
        await reset();
        if (!harmed) break;
        killedAt = call;
      }
      expect(killedAt).toBeGreaterThan(whole.calls / 2);
    });

    it(`while it does a ${story}, at any moment, leaves one version serving and the next run puts all in order`, async () => {
      const version = (n: number): string => (story === 'register' ? `t${n}` : 'v2');
      const whole = await runChild(order({ story, version: version(0) }));
      await reset();
      const moments = STRIDE === 1 ? 24 : 4;
      let kills = 0;
      for (let n = 1; n <= moments; n += 1) {
        const killAfter = Math.max(1, Math.round((whole.milliseconds * (n - 0.5)) / moments));
        if (await killed({ story, version: version(n), killAfter }, ['v1', 'v2'])) kills += 1;
        await reset();
      }
      expect(kills).toBeGreaterThan(0);
    });
  }

  it('that is cancelled politely undoes its own work before it ends', async () => {
    const whole = await runChild(order({ story: 'switch' }));
    await reset();
    for (const share of [0.2, 0.4, 0.6]) {
      const load = runLoad({ url: world.publicUrl, rate: RATE });
      await runChild(order({ story: 'switch', killAfter: Math.round(whole.milliseconds * share), signal: 'SIGTERM' }));
      const result = await load.stop();
      expect(result.errors).toEqual({});
      const { journal } = await ctx.registry.read(ctx.id);
      expect(journal === null || journal.phase === 'draining').toBe(true);
      await reset();
    }
    await isInOrder();
  });
});
