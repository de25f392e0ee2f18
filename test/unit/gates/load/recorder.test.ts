import type { Outcome } from '@cd-actions/shared/gates/load/connection';
import { Recorder } from '@cd-actions/shared/gates/load/recorder';
import { describe, expect, it } from 'vitest';

const ok: Outcome = { status: 200, version: 'v1', bytes: 2, failure: null, error: null, reused: true, reusable: true };
const reset: Outcome = {
  ...ok,
  status: 0,
  version: '',
  bytes: 0,
  failure: 'reset',
  error: new Error('gone'),
  reusable: false,
};
const about = { engine: 'test', url: 'http://t/', startedAt: '', intendedRate: 10 };

/** Requests as [due, ended, outcome], one after the other or overlapping; the times in milliseconds. */
function record(requests: readonly (readonly [due: number, ended: number, outcome: Outcome])[], end: number) {
  const recorder = new Recorder(0);
  const events = requests.flatMap(([due, ended, outcome]) => [
    { at: due, run: () => recorder.due(due) },
    { at: ended, run: () => recorder.ended(outcome, due, due, ended, false) },
  ]);
  for (const event of events.sort((a, b) => a.at - b.at)) event.run();
  return recorder.result(about, end, end, null);
}

describe('the longest gap', () => {
  it('does not count the time in which nothing was due', () => {
    expect(
      record(
        [
          [0, 5, ok],
          [1000, 1005, ok],
        ],
        2000,
      ).longestGap,
    ).toBe(5);
  });

  it('runs from the first request that was due to the next success, through failures', () => {
    const requests = [
      [0, 5, ok],
      [100, 101, reset],
      [200, 201, reset],
      [300, 304, ok],
    ] as const;
    expect(record(requests, 400).longestGap).toBe(204);
  });

  it('runs from success to success while requests are always under way', () => {
    expect(
      record(
        [
          [0, 50, ok],
          [10, 60, ok],
          [20, 400, ok],
          [30, 410, ok],
        ],
        500,
      ).longestGap,
    ).toBe(340);
  });

  it('lasts to the end when no success comes', () => {
    expect(
      record(
        [
          [0, 5, ok],
          [100, 101, reset],
        ],
        700,
      ).longestGap,
    ).toBe(600);
  });
});

it('a reset is counted, with whether the connection had been in use; its latency is not', () => {
  const result = record(
    [
      [0, 10, ok],
      [100, 300, reset],
      [200, 201, { ...reset, reused: false }],
    ],
    1000,
  );
  expect(result).toMatchObject({
    ...{ requests: 3, succeeded: 1, failed: 2, errors: { reset: 2 }, examples: { reset: 'gone' } },
    connections: { resetWhenReused: 1 },
    latency: { count: 1 },
  });
});

it('a timeout is in the latency, with the time waited', () => {
  const result = record(
    [
      [0, 10, ok],
      [100, 1100, { ...reset, failure: 'timeout' }],
    ],
    2000,
  );
  expect(result.latency.count).toBe(2);
  expect(result.latency.max).toBeGreaterThan(999);
});

it('the series holds what was completed in each second', () => {
  const result = record(
    [
      [0, 10, ok],
      [900, 1010, ok],
      [950, 1020, reset],
      [3000, 3010, ok],
    ],
    4000,
  );
  expect(result.series.map(({ second, requests, errors }) => [second, requests, errors])).toEqual([
    [0, 1, 0],
    [1, 2, 1],
    [3, 1, 0],
  ]);
});

it('throughput falls when the target stretches the work beyond the plan', () => {
  const onTime = Array.from({ length: 100 }, (_, i) => [i * 10, i * 10 + 20, ok] as const);
  expect(record(onTime, 1000).rps).toBe(100);
  const late = Array.from({ length: 100 }, (_, i) => [i * 10, i * 20 + 20, ok] as const);
  expect(record(late, 1000).rps).toBeCloseTo(51, 0);
});

it('a target that answers with ever new versions does not fill the memory', () => {
  const requests = Array.from({ length: 300 }, (_, i) => [i, i + 0.5, { ...ok, version: `v${i}` }] as const);
  const { versions } = record(requests, 400);
  expect(Object.keys(versions)).toHaveLength(101);
  expect(versions['(others)']).toBe(200);
});
