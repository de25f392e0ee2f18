import {
  boolean,
  decimal,
  duration,
  formatDuration,
  integer,
  list,
  MAX_VALUE_LENGTH,
  oneOf,
  pattern,
  Refused,
  size,
  text,
} from '@cd-actions/shared/domain/grammar';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const refused = (parse: () => unknown) => expect(parse).toThrow(Refused);

describe('duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['0s', 0],
  ])('reads %s as %d ms', (raw, ms) => expect(duration().parse(raw)).toBe(ms));

  it.each(['', '5', 's', '-1s', '1 s', '1d', '1S', '1e3ms', '１s', '1,5s', '1s\n', '1s1m', '0x1s', '25h'])(
    'refuses %j',
    (raw) => refused(() => duration().parse(raw)),
  );

  it('holds its bounds, both inclusive', () => {
    const bounded = duration(1000, 2000);
    expect([bounded.parse('1s'), bounded.parse('2s')]).toEqual([1000, 2000]);
    refused(() => bounded.parse('999ms'));
    refused(() => bounded.parse('2001ms'));
  });

  it('is written back as it was meant', () => {
    expect([0, 500, 1500, 30_000, 300_000, 7_200_000, 61_000].map(formatDuration)).toEqual([
      '0s',
      '500ms',
      '1.5s',
      '30s',
      '5m',
      '2h',
      '61s',
    ]);
  });

  it('reads back every whole duration that it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8_640_000 }), (hundredths) => {
        const ms = hundredths * 10;
        expect(duration().parse(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe('size', () => {
  it.each([
    ['1', 1],
    ['64b', 64],
    ['4k', 4096],
    ['256m', 268_435_456],
    ['1g', 1_073_741_824],
  ])('reads %s as %d bytes', (raw, bytes) => expect(size.parse(raw)).toBe(bytes));

  it.each(['', '0', '0m', '-1m', '1.5g', '1G', '1mb', '1 m', 'm', '999999999999g', '１g'])('refuses %j', (raw) =>
    refused(() => size.parse(raw)),
  );
});

describe('boolean', () => {
  it('knows the six words of the YAML 1.2 core schema and no other', () => {
    expect(['true', 'True', 'TRUE', 'false', 'False', 'FALSE'].map(boolean.parse)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    for (const raw of ['yes', 'no', 'on', 'off', 'y', 'n', '1', '0', 'tRUE', ' true', 'null', ''])
      refused(() => boolean.parse(raw));
  });
});

describe('numbers', () => {
  it.each(['', '1.0', '+1', '01', '1e2', '0x10', ' 1', '1_000', '１', '-0x1', 'NaN', 'Infinity'])(
    'no whole number is written %j',
    (raw) => refused(() => integer(-10, 1000).parse(raw)),
  );

  it.each(['', '.5', '5.', '1e2', '0x10', 'NaN', 'Infinity', '1,5', '٣'])('no number is written %j', (raw) =>
    refused(() => decimal(-10, 1000).parse(raw)),
  );

  it('are what they say, within their bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2_000_000, max: 2_000_000 }), (value) => {
        const read = () => integer(-1_000_000, 1_000_000).parse(String(value));
        if (Math.abs(value) <= 1_000_000) expect(read()).toBe(value);
        else refused(read);
      }),
    );
    expect(decimal(0, 1).parse('0.125')).toBe(0.125);
    refused(() => decimal(0, 1).parse('1.000000001'));
  });
});

describe('list', () => {
  const names = list(pattern('a word', /^[a-z]+$/), { commas: true });

  it('takes one item a line, skips blank lines and comments, and splits at commas where an item can hold none', () => {
    expect(names.parse('a\r\n\n  # b, c\nd, e ,,f')).toEqual(['a', 'd', 'e', 'f']);
    expect(list(text('text')).parse('a, b\nc')).toEqual(['a, b', 'c']);
    expect(names.parse('# nothing')).toEqual([]);
  });

  it('says which item is wrong', () => {
    expect(() => names.parse('good\nBAD')).toThrow('item "BAD" does not have the allowed form');
  });

  it('has an end', () => {
    refused(() => list(text('text'), { max: 2 }).parse('a\nb\nc'));
    refused(() => names.parse('a'.repeat(MAX_VALUE_LENGTH + 1)));
  });
});

describe('text', () => {
  it('keeps what people write, in any script, and refuses control characters', () => {
    expect(text('text').parse('Größe: 5 € – für „alle“ 你好')).toBe('Größe: 5 € – für „alle“ 你好');
    for (const raw of ['a\u0000', 'a\u001b[0m', 'a\u007f', 'a\nb', 'a\rb']) refused(() => text('text').parse(raw));
    expect(text('text', { multiline: true }).parse('a\n\tb')).toBe('a\n\tb');
    refused(() => text('text', { multiline: true }).parse('a\u0000'));
  });
});

describe('oneOf', () => {
  it('takes the words as they are written and nothing an object happens to have', () => {
    const words = oneOf('auto', 'reload');
    expect(words.parse('reload')).toBe('reload');
    for (const raw of ['Auto', 'auto ', 'constructor', '__proto__', '']) refused(() => words.parse(raw));
  });
});
