import { closedLoop } from '@cd-actions/shared/gates/load/closed-loop';
import type { LoadResult } from '@cd-actions/shared/gates/load/result';

/** Clients on kept connections that POST without ever repeating a request, while `work` goes on: a request that is lost shows. */
export async function underLoad<T>(url: string, work: () => Promise<T>): Promise<readonly [T, LoadResult]> {
  const headers = { 'Content-Type': 'text/plain' };
  const load = closedLoop({ url: `${url}/echo`, clients: 8, pause: 5, method: 'POST', headers, body: 'x'.repeat(64) });
  try {
    const done = await work();
    return [done, await load.stop()];
  } finally {
    await load.stop();
  }
}
