import { describe, expect, it } from 'vitest';
import { cost } from '../bench/cost.ts';
import { median } from '../bench/table.ts';
import { parts } from '../support/parts.ts';

/** Issue 3, item 13, with fewer apps than the bench has. */
const APPS = 200;

describe.skipIf(!parts.docker || !parts.images || !parts.redis)('a switch of one among many apps', () => {
  it('costs at most twice the time of one alone, and the same number of Redis round trips', async () => {
    const [alone, among] = await cost([1, APPS], 9, 0);
    expect(alone?.commands).toBeGreaterThan(4);
    expect(among?.commands).toBe(alone?.commands);
    expect(median(among?.switches ?? [])).toBeLessThan(2 * median(alone?.switches ?? []));
  }, 120_000);
});
