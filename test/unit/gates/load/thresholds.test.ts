import { Refused } from '@cd-actions/shared/domain/grammar';
import type { Distribution, LoadResult } from '@cd-actions/shared/gates/load/result';
import { judge, samplesNeeded, threshold } from '@cd-actions/shared/gates/load/thresholds';
import { describe, expect, it } from 'vitest';

const latency = (change: Partial<Distribution> = {}): Distribution => ({
  ...{ count: 10_000, min: 1, mean: 50, max: 900, p50: 40, p75: 60, p90: 100, p95: 180, p99: 400, 'p99.9': 800 },
  ...change,
});
const result = (change: Partial<LoadResult> = {}): LoadResult => ({
  ...{ engine: 'builtin', url: 'http://t/', startedAt: '', seconds: 100, intendedRate: 100 },
  ...{ requests: 10_000, succeeded: 9_950, failed: 50, errorRate: 0.005, rps: 99.5, errors: { reset: 50 } },
  ...{ examples: { reset: 'ECONNRESET' }, statuses: { 200: 9_950 }, versions: { v1: 9_950 } },
  ...{ latency: latency(), service: latency(), connect: latency(), longestGap: 300 },
  ...{ connections: { opened: 64, resetWhenReused: 50 }, bytes: 0, series: [] },
  generator: { lagP50: 0, lagP99: 0.5, lagMax: 2, delayed: 0, bottleneck: false, note: '' },
  ...change,
});
const all = (...texts: readonly string[]) => texts.map((text) => threshold.parse(text));
const verdictOf = (text: string, change: Partial<LoadResult> = {}) => judge(result(change), all(text)).verdict;

describe('the grammar', () => {
  it('reads metric, operator and value in its unit', () => {
    expect(
      all('p95<200ms', 'p99 <= 1s', 'error-rate<1%', 'rps>=100', 'longest-gap<500ms', 'p99.9<1.5s', 'mean<900us'),
    ).toEqual([
      { metric: 'p95', operator: '<', limit: 200, text: 'p95<200ms' },
      { metric: 'p99', operator: '<=', limit: 1000, text: 'p99<=1s' },
      { metric: 'error-rate', operator: '<', limit: 0.01, text: 'error-rate<1%' },
      { metric: 'rps', operator: '>=', limit: 100, text: 'rps>=100' },
      { metric: 'longest-gap', operator: '<', limit: 500, text: 'longest-gap<500ms' },
      { metric: 'p99.9', operator: '<', limit: 1500, text: 'p99.9<1.5s' },
      { metric: 'mean', operator: '<', limit: 0.9, text: 'mean<900us' },
    ]);
  });

  it.each([
    ['p95', /form/],
    ['p95<', /form/],
    ['p95<200', /unit of time/],
    ['p95<200%', /unit of time/],
    ['p95>200ms', /must use `<`/],
    ['p95==200ms', /must use `<`/],
    ['p96<200ms', /no known metric \(there are p50, .*rps/],
    ['constructor<1ms', /no known metric/],
    ['error-rate<1', /needs `%`/],
    ['error-rate<101%', /more than 100/],
    ['rps>=100ms', /no unit/],
    ['rps<100', /must use `>`/],
    ['login:p95<300ms', /form/],
    ['p95<-1ms', /form/],
    ['p95<1e3ms', /form/],
  ])('refuses %s', (text, why) => {
    expect(() => threshold.parse(text)).toThrow(Refused);
    expect(() => threshold.parse(text)).toThrow(why);
  });
});

describe('the verdict', () => {
  it.each([
    ['p95<200ms', 'pass'],
    ['p95<180ms', 'fail'],
    ['p95<=180ms', 'pass'],
    ['error-rate<0.5%', 'fail'],
    ['error-rate<=0.5%', 'pass'],
    ['success-rate>=99.5%', 'pass'],
    ['success-rate>99.5%', 'fail'],
    ['rps>=99.5', 'pass'],
    ['rps>=100', 'fail'],
    ['longest-gap<300ms', 'fail'],
    ['max<1s', 'pass'],
    ['requests>=10000', 'pass'],
  ])('of %s is %s', (text, verdict) => {
    expect(verdictOf(text)).toBe(verdict);
  });

  it('names each threshold that is not met, with its value', () => {
    const judged = judge(result(), all('p95<100ms', 'p99<1s', 'longest-gap<200ms'));
    expect(judged.message).toBe('Not met: p95<100ms (180 ms), longest-gap<200ms (300 ms).');
    expect(judged.thresholds.map((each) => each.verdict)).toEqual(['fail', 'pass', 'fail']);
  });

  it('is inconclusive when a percentile has fewer than five samples beyond it, and never a pass', () => {
    expect([50, 95, 99, 99.9].map(samplesNeeded)).toEqual([10, 100, 500, 5000]);
    expect(verdictOf('p99<1s', { latency: latency({ count: 499 }) })).toBe('inconclusive');
    expect(verdictOf('p99<1s', { latency: latency({ count: 500 }) })).toBe('pass');
    expect(judge(result({ latency: latency({ count: 499 }) }), all('p99<1s')).message).toMatch(
      /499 samples are too few: 500/,
    );
  });

  it('without a request is inconclusive; with nothing but errors it fails whatever is asked', () => {
    const nothing = { requests: 0, succeeded: 0, failed: 0, errorRate: 0, errors: {}, latency: latency({ count: 0 }) };
    expect(verdictOf('error-rate<1%', nothing)).toBe('inconclusive');
    const errors = { succeeded: 0, failed: 10_000, errorRate: 1, latency: latency({ count: 0 }) };
    expect(verdictOf('rps>=0', errors)).toBe('fail');
    expect(judge(result(errors), all('requests>=1')).message).toBe('All 10000 requests failed: reset (ECONNRESET).');
  });

  it('does not blame the target for what the generator did itself', () => {
    const generator = { lagP50: 9, lagP99: 300, lagMax: 400, delayed: 0, bottleneck: true, note: 'too busy' };
    const quick = latency({ p95: 20 });
    expect(verdictOf('p95<100ms', { generator, service: quick })).toBe('inconclusive');
    expect(verdictOf('p95<100ms', { generator })).toBe('fail');
    expect(verdictOf('p95<200ms', { generator })).toBe('pass');
    expect(verdictOf('error-rate<0.1%', { generator })).toBe('fail');
    expect(verdictOf('error-rate<0.1%', { generator, errors: { local: 50 } })).toBe('inconclusive');
  });
});
