import { worst } from '@cd-actions/shared/domain/verdict';
import { describe, expect, it } from 'vitest';

describe('worst', () => {
  it('lets one failure fail the whole, and counts what could not be judged as no pass', () => {
    expect(worst(['pass', 'inconclusive', 'fail'])).toBe('fail');
    expect(worst(['pass', 'inconclusive'])).toBe('inconclusive');
    expect(worst(['pass', 'pass'])).toBe('pass');
    expect(worst([])).toBe('inconclusive');
  });
});
