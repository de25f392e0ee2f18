import { messageOf } from '../domain/errors.ts';
import type { Context, Engine, FoundInstance } from './ports.ts';

/** The engine of a host; undefined when the host is not among those of this run. */
export function engineOf(has: { readonly ctx: Context }, host: string): Engine | undefined {
  return has.ctx.fleet.engines.find((engine) => engine.host === host);
}

/** Every container of the deployment on every host. */
export async function findInstances(ctx: Context): Promise<readonly FoundInstance[]> {
  const perHost = await Promise.all(ctx.fleet.engines.map((engine) => engine.find(ctx.id)));
  return perHost.flat();
}

/** Explains without failing: used where recovery of one part must not hide the first error. False when it failed. */
export async function attempt(
  has: { readonly ctx: Context },
  what: string,
  work: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    has.ctx.log.warning(`${what}: ${messageOf(error)}`);
    return false;
  }
}
