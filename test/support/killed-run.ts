// A run of one story in a process of its own that kills itself: `node killed-run.ts '<json of Order>'`. Prints how many calls of the
// ports the story makes, when it is let live.

import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { switchTraffic } from '@cd-actions/shared/delivery/switch';
import { aRegistration, aSwitch, type Coordinates, closeContext, openContext } from './delivery-world.ts';

export interface Order {
  readonly at: Coordinates;
  readonly story: 'register' | 'switch' | 'rollback';
  readonly version: string;
  /** The call of a port that is not made any more; 0 lets the story finish. */
  readonly killAtCall: number;
  /** Milliseconds after the beginning of the story; 0 for never. */
  readonly killAfter: number;
  readonly signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP';
  /** Instead of `killAtCall`: the so-many-th call of this method, from 1. */
  readonly killAtMethod?: readonly [name: string, nth: number];
  readonly leaseTtl: number;
}

/** Calls that happen on the side and not as a step of the story. */
const ASIDE = new Set(['renew', 'close', 'reaches']);

let calls = 0;

function counted<T extends object>(port: T, order: Order): T {
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (ASIDE.has(String(name))) return member.bind(target) as unknown;
      return (...args: unknown[]): unknown => {
        calls += 1;
        if (calls === order.killAtCall || isMethodToKill(String(name), order)) process.kill(process.pid, order.signal);
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
}

const called = new Map<string, number>();

function isMethodToKill(name: string, { killAtMethod }: Order): boolean {
  const times = (called.get(name) ?? 0) + 1;
  called.set(name, times);
  return killAtMethod !== undefined && killAtMethod[0] === name && killAtMethod[1] === times;
}

function storyOf(order: Order, context: Context): Promise<unknown> {
  if (order.story === 'register') return register(context, aRegistration(order.version, { replicas: 2 }));
  const moving = { drainTimeout: 2000, steps: [30], stepInterval: 50 };
  if (order.story === 'switch') return switchTraffic(context, aSwitch(order.at, order.version, moving));
  return rollback(context, { toVersion: order.version, reason: 'a test', drainTimeout: 2000, force: false });
}

const order = JSON.parse(process.argv[2] ?? '') as Order;
const cancel = new AbortController();
process.on('SIGTERM', () => cancel.abort(new Error('cancelled')));
const real = await openContext(order.at, { leaseTtl: order.leaseTtl, signal: cancel.signal });
const context: Context = {
  ...real,
  registry: counted(real.registry, order),
  fleet: {
    engines: real.fleet.engines.map((engine) => counted(engine, order)),
    proxies: real.fleet.proxies.map((proxy) => counted(proxy, order)),
  },
};
if (order.killAfter > 0) setTimeout(() => process.kill(process.pid, order.signal), order.killAfter);
const started = performance.now();
try {
  await storyOf(order, context);
  process.stdout.write(JSON.stringify({ calls, milliseconds: performance.now() - started }));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await closeContext(real);
}
