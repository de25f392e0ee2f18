import { messageOf } from '../domain/errors.ts';
import type { Operation } from './lease.ts';
import type { Proxy } from './ports.ts';

/**
 * Asks an Nginx; when it does not answer as it should, because its container was removed or stopped or its volume is new, makes it
 * ready and asks once more.
 */
export async function reachable<T>(op: Operation, proxy: Proxy, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    op.ctx.log.warning(`Nginx on ${proxy.name} is made ready again: ${messageOf(error)}`);
    await op.confirm();
    await proxy.prepare();
    return ask();
  }
}
