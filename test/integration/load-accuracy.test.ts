import { runLoad } from '@cd-actions/shared/gates/load/prober';
import type { LoadResult } from '@cd-actions/shared/gates/load/result';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, type FaultServer, startFaultServer } from '../support/fault-server.ts';
import { bounds, goFirst, percentileOf } from '../support/load.ts';

let server: FaultServer;
let restore = (): void => {};
beforeAll(() => {
  restore = goFirst();
});
afterAll(() => restore());
afterEach(() => server.stop());

async function measure(fault: Fault, rate: number, duration: number, keepAlive: 'keep-alive' | 'mixed' = 'mixed') {
  server = await startFaultServer({ kind: 'constant', delay: 0 });
  await runLoad({ url: server.url, rate: 100, duration: 300 }).result; // both sides compile their code first
  const before = (await server.truth()).times.length;
  await server.become(fault);
  const result = await runLoad({ url: server.url, rate, duration, keepAlive, connections: 512, timeout: 5000 }).result;
  const { times, heldUp } = await server.truth();
  return { result, times: times.slice(before), heldUp };
}

function expectNear(value: number, truth: number, result: LoadResult, heldUp: number): void {
  const [low, high] = bounds(truth, result, heldUp);
  expect(value).toBeGreaterThan(low);
  expect(value).toBeLessThan(high);
}

describe('against a server with known delays the engine tells the truth within 5 % or 2 ms', () => {
  it('constant delay: percentiles as the server measured them itself', async () => {
    const { result, times, heldUp } = await measure({ kind: 'constant', delay: 40 }, 200, 2000);
    expect(result).toMatchObject({ requests: 400, succeeded: 400, errorRate: 0, versions: { v1: 400 } });
    for (const [name, percent] of [
      ['p50', 50],
      ['p95', 95],
      ['p99', 99],
    ] as const)
      expectNear(result.latency[name], percentileOf(times, percent), result, heldUp);
    expect(result.rps).toBeCloseTo(200, 0);
  });

  it('two kinds of requests: the slow tenth is seen where it lies', async () => {
    const { result, times, heldUp } = await measure({ kind: 'bimodal', fast: 10, slow: 120, every: 10 }, 200, 2000);
    for (const [name, percent] of [
      ['p50', 50],
      ['p95', 95],
      ['p99', 99],
    ] as const)
      expectNear(result.latency[name], percentileOf(times, percent), result, heldUp);
    expect(result.latency.p50).toBeLessThan(60);
    expect(result.latency.p95).toBeGreaterThan(100);
  });

  it('a stall of 1 s is charged to every request that was due meanwhile (no coordinated omission), and is the longest gap', async () => {
    const { result, heldUp } = await measure({ kind: 'stall', every: 3000, length: 1000 }, 200, 3000);
    // A third of the requests, those due in the stall, waited for what was left of it: evenly from 0 to 1 s.
    for (const [name, truth] of [
      ['p90', 700],
      ['p95', 850],
      ['p99', 970],
    ] as const)
      expectNear(result.latency[name], truth, result, heldUp);
    expectNear(result.longestGap, 1000, result, heldUp);
    expect(result.latency.p50).toBeLessThan(20);
  });

  it('a stall that holds up all connections hides no request: the time is counted from when each was due', async () => {
    server = await startFaultServer({ kind: 'stall', every: 3000, length: 1000 });
    const result = await runLoad({ url: server.url, rate: 200, duration: 3000, connections: 4 }).result;
    expect(result.requests).toBe(600);
    expect(result.generator?.delayed).toBeGreaterThan(150);
    expectNear(result.latency.p90, 700, result, (await server.truth()).heldUp);
    expect(result.service.p90).toBeLessThan(100);
  });
});

it('keeps to its times at 1,000 requests a second and says how well', async () => {
  const { result } = await measure({ kind: 'constant', delay: 0 }, 1000, 2000, 'keep-alive');
  expect(result).toMatchObject({ requests: 2000, failed: 0 });
  // Half of all requests leave on time even on a machine that is busy with something else.
  expect(result.generator?.lagP50).toBeLessThan(1);
  expect(result.generator?.bottleneck).toBe((result.generator?.note ?? '') !== '');
});
