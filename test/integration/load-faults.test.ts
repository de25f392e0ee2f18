import { setTimeout as sleep } from 'node:timers/promises';
import { closedLoop } from '@cd-actions/shared/gates/load/closed-loop';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import type { Sample } from '@cd-actions/shared/gates/load/result';
import { afterEach, describe, expect, it } from 'vitest';
import { CERTIFICATE, closedPort, type Fault, type FaultServer, startFaultServer } from '../support/fault-server.ts';

const servers: FaultServer[] = [];
const serve = async (fault: Fault, options: { tls?: boolean } = {}): Promise<FaultServer> => {
  const server = await startFaultServer(fault, options);
  servers.push(server);
  return server;
};
afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

const brief = { rate: 100, duration: 500, timeout: 400 } as const;

describe('each failure is counted in its class', () => {
  it.each<[string, Fault, object]>([
    ['reset', { kind: 'reset', every: 5 }, { reset: 10 }],
    ['aborted', { kind: 'cut-body' }, { aborted: 50 }],
    ['timeout', { kind: 'silent' }, { timeout: 50 }],
    ['http-5xx', { kind: 'status', status: 503 }, { 'http-5xx': 50 }],
    ['http-4xx', { kind: 'status', status: 404 }, { 'http-4xx': 50 }],
    ['protocol', { kind: 'garbage' }, { protocol: 50 }],
  ])('%s', async (_class, fault, errors) => {
    const { url } = await serve(fault);
    const result = await runLoad({ ...brief, url }).result;
    expect(result.requests).toBe(50);
    expect(result.errors).toEqual(errors);
    expect(result.succeeded + result.failed).toBe(50);
  });

  it('refused, a name that does not resolve, and a certificate that is not trusted', async () => {
    const refused = await runLoad({ ...brief, url: `http://127.0.0.1:${await closedPort()}/` }).result;
    expect(refused.errors).toEqual({ refused: 50 });
    expect(refused.longestGap).toBeGreaterThan(400);
    const unknown = await runLoad({ ...brief, rate: 10, timeout: 3000, url: 'http://no-such-host.invalid/' }).result;
    expect(unknown.errors).toEqual({ dns: 5 });
    const { url } = await serve({ kind: 'constant', delay: 0 }, { tls: true });
    const distrusted = await runLoad({ ...brief, url }).result;
    expect(distrusted.errors).toEqual({ tls: 50 });
    expect(distrusted.examples.tls).toMatch(/self.signed/);
    const trusted = await runLoad({ ...brief, timeout: 5000, url, ca: CERTIFICATE }).result;
    expect(trusted).toMatchObject({ failed: 0, succeeded: 50 });
  });

  it('a redirect is an answer and is not followed; a slow body is timed to its end', async () => {
    const redirect = await serve({ kind: 'status', status: 302 });
    expect((await runLoad({ ...brief, url: redirect.url }).result).statuses).toEqual({ 302: 50 });
    const slow = await serve({ kind: 'slow-body', pieces: 5, pause: 20 });
    const result = await runLoad({ ...brief, timeout: 5000, url: slow.url }).result;
    expect(result.latency.min).toBeGreaterThan(95);
    expect(result.bytes).toBe(50 * 500);
  });
});

it('sends the method, the headers and the body, on kept and on fresh connections, and repeats nothing', async () => {
  const server = await serve({ kind: 'constant', delay: 0 });
  const post = {
    ...brief,
    url: server.url,
    method: 'POST',
    headers: { 'X-Test': '1' },
    body: '{"a":1}',
    timeout: 5000,
  };
  const mixed = await runLoad(post).result;
  expect(mixed.connections.opened).toBeGreaterThanOrEqual(3);
  const fresh = await runLoad({ ...post, keepAlive: 'fresh' }).result;
  expect(fresh.connections.opened).toBe(50);
  const truth = await server.truth();
  expect(truth.methods).toEqual({ POST: 100 });
  expect(truth.bodyBytes).toBe(100 * 7);
});

it('counts answers per version, and tells each request as it ends, with when it was due, sent and done', async () => {
  const { url } = await serve({ kind: 'versions', versions: ['v1', 'v2', 'v2', 'v2'] });
  const samples: Sample[] = [];
  const result = await runLoad({ ...brief, duration: 400, timeout: 5000, url, onSample: (s) => samples.push(s) })
    .result;
  expect(result.versions).toEqual({ v1: 10, v2: 30 });
  expect(samples).toHaveLength(40);
  for (const { due, sent, done, status } of samples) {
    expect(status).toBe(200);
    expect(sent).toBeGreaterThanOrEqual(due);
    expect(done).toBeGreaterThan(sent);
  }
});

it('the warm-up is loaded and not counted', async () => {
  const server = await serve({ kind: 'constant', delay: 0 });
  const result = await runLoad({ ...brief, url: server.url, warmup: 500, timeout: 5000 }).result;
  expect(result).toMatchObject({ requests: 50, seconds: 0.5 });
  expect((await server.truth()).requests).toBe(100);
});

it('runs until stopped, waits for what is under way, and leaves no connection', async () => {
  const server = await serve({ kind: 'constant', delay: 100 });
  const run = runLoad({ url: server.url, rate: 100 });
  await sleep(700);
  expect(run.progress().requests).toBeGreaterThan(20);
  const result = await run.stop();
  expect(result.failed).toBe(0);
  expect(result.requests).toBe((await server.truth()).requests);
});

it('a request that finds no free connection within the timeout fails as unsent', async () => {
  const { url } = await serve({ kind: 'silent' });
  const result = await runLoad({ url, rate: 100, duration: 1000, connections: 2, timeout: 300 }).result;
  expect(result.requests).toBe(100);
  expect(result.errors.unsent).toBeGreaterThan(80);
  expect(result.succeeded).toBe(0);
});

it('an aborted run ends at once, with the reason', async () => {
  const { url } = await serve({ kind: 'silent' });
  const abort = new AbortController();
  const run = runLoad({ url, rate: 100, signal: abort.signal });
  const loop = closedLoop({ url, clients: 4, signal: abort.signal });
  await sleep(200);
  const begun = performance.now();
  abort.abort(new Error('cancelled'));
  await expect(run.result).rejects.toThrow('cancelled');
  await expect(loop.result).rejects.toThrow('cancelled');
  expect(performance.now() - begun).toBeLessThan(500);
});

describe('closed-loop clients', () => {
  it('see every silent close of a kept connection as one lost request', async () => {
    const server = await serve({ kind: 'close', after: 10 });
    const run = closedLoop({ url: server.url, clients: 8, method: 'POST', body: 'x', pause: 1 });
    await sleep(600);
    const result = await run.stop();
    const { requests } = await server.truth();
    expect(result.requests).toBe(requests);
    expect(result.errors).toEqual({ reset: result.failed });
    expect(result.connections.resetWhenReused).toBe(result.failed);
    // Each connection carries nine answers and dies at the tenth.
    expect(Math.abs(result.failed - requests / 10)).toBeLessThanOrEqual(8);
  });

  it('lose nothing against a server that behaves', async () => {
    const server = await serve({ kind: 'constant', delay: 1 });
    const run = closedLoop({ url: server.url, clients: 64, method: 'POST', body: 'x'.repeat(1000) });
    await sleep(600);
    const result = await run.stop();
    expect(result).toMatchObject({ failed: 0, engine: 'closed-loop', connections: { opened: 64 } });
    expect(result.requests).toBe((await server.truth()).requests);
  });
});
