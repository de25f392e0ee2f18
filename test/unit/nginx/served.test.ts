import { binomialRange } from '@cd-actions/shared/domain/binomial';
import { countServed, TAIL, unframed } from '@cd-actions/shared/nginx/served';
import { describe, expect, it } from 'vitest';

const line = (version: string, more: object = {}): string =>
  JSON.stringify({ msec: 100.5, pool: `cd.shop.production.${version}`, fresh: 1, request_time: 0.2, ...more });

describe('the requests that an access log tells of', () => {
  it('counts those of the app that began in time, and the newcomers among them', () => {
    const log = [
      line('v1'),
      line('v2', { fresh: 0 }),
      line('v2', { msec: 100.1 }),
      line('v1', { pool: 'cd.blog.production.v1' }),
      line('v1', { msec: 'x' }),
      '{"msec":100.5,',
      'a line of something else',
    ].join('\n');
    expect(countServed(log, 'shop@production', ['v1', 'v2'], 100_000)).toEqual({
      requests: { v1: 1, v2: 1 },
      newUsers: { v1: 1, v2: 0 },
      cut: false,
    });
  });

  it('says when the log was longer than what was looked at', () => {
    const log = Array.from({ length: TAIL }, () => line('v1')).join('\n');
    expect(countServed(log, 'shop@production', ['v1'], 0)).toMatchObject({ requests: { v1: TAIL }, cut: true });
    expect(countServed(log, 'shop@production', ['v1'], 101_000).cut).toBe(false);
  });

  it("reads them from the frames of Docker's stream", () => {
    const frame = (text: string): Buffer => {
      const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(Buffer.byteLength(text), 4);
      return Buffer.concat([head, Buffer.from(text)]);
    };
    expect(unframed(Buffer.concat([frame('ä\n'), frame('b\n')]))).toBe('ä\nb\n');
  });
});

describe('the range of a share', () => {
  it.each([
    // p = 0.1, n = 1000: 3.29 * sqrt(0.1 * 0.9 / 1000) = 0.0312, and half a request.
    [10, 1000, 6.83, 13.17],
    [50, 100, 33.05, 66.95],
    [5, 10, 0, 32.67],
    [0, 1000, 0, 0],
    [100, 0, 0, 100],
  ])('of %i %% among %i draws', (percent, count, low, high) => {
    const range = binomialRange(percent, count);
    expect(range.low).toBeCloseTo(low, 1);
    expect(range.high).toBeCloseTo(high, 1);
  });
});
