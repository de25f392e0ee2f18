import { assignment, keyValue, parseEnvFile, statusRanges, volume, words } from '@cd-actions/shared/domain/container';
import { Refused } from '@cd-actions/shared/domain/grammar';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const refused = (parse: () => unknown) => expect(parse).toThrow(Refused);

describe('words', () => {
  it.each([
    ['node server.js', ['node', 'server.js']],
    ['sh -c \'echo "$A"; exit 0\'', ['sh', '-c', 'echo "$A"; exit 0']],
    ['a "b c" d', ['a', 'b c', 'd']],
    ['a "b \\"c\\" \\$d \\n"', ['a', 'b "c" $d \\n']],
    ["a'b'c", ['abc']],
    ['a\\ b', ['a b']],
    ['\'\' ""', ['', '']],
    ['a\n  b', ['a', 'b']],
    ['*.js $(id) `id` ~', ['*.js', '$(id)', '`id`', '~']],
  ])('splits %j as a shell does, and expands nothing', (raw, expected) => expect(words.parse(raw)).toEqual(expected));

  it.each(["a 'b", 'a "b', 'a "b\\"', 'a\u0000b', 'a\u001b[0m'])('refuses %j', (raw) =>
    refused(() => words.parse(raw)),
  );

  it('gives back any words that were quoted', () => {
    const word = fc.string({ unit: 'grapheme', minLength: 0, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (list) => {
        const quoted = list.map((each) => `'${each.replaceAll("'", `'\\''`)}'`).join(' ');
        expect(words.parse(quoted)).toEqual(list);
      }),
    );
  });
});

describe('assignment and keyValue', () => {
  it('split at the first sign; the value is the user’s own', () => {
    expect(assignment.parse('URL=redis://h/?a=b # c')).toEqual(['URL', 'redis://h/?a=b # c']);
    expect(assignment.parse('EMPTY=')).toEqual(['EMPTY', '']);
    expect(keyValue.parse('com.example/team-1=shop=1')).toEqual(['com.example/team-1', 'shop=1']);
  });

  it.each(['=x', 'A', '1A=x', 'A B=x', 'A-B=x', '\u0410=x', '__proto__', 'A\u0000=x', 'A=x\u0000'])(
    'refuse %j',
    (raw) => refused(() => assignment.parse(raw)),
  );
});

describe('parseEnvFile', () => {
  it('reads what docker run reads', () => {
    expect(parseEnvFile('# about\nA=1\r\n\n  B="two"\nC=a=b #c\n')).toEqual({ A: '1', B: '"two"', C: 'a=b #c' });
  });

  it('names the line that is wrong', () => {
    expect(() => parseEnvFile('A=1\n\noops\n')).toThrow('has a line 3 that has no `NAME=`');
  });
});

describe('volume', () => {
  it.each(['/srv/data:/data', '/srv/data:/data:ro', 'cache:/var/cache:rw'])('takes %s', (raw) =>
    expect(volume.parse(raw)).toBe(raw),
  );

  it.each([
    '/data',
    'data:relative',
    '/a:/b:rx',
    '/srv/../etc:/etc',
    '/srv:/data/../etc',
    '/srv:/data:/more',
    '/srv dir:/data',
    '/var/run/docker.sock:/var/run/docker.sock',
    '/run/docker.sock:/docker.sock:ro',
    '/srv/$HOME:/data',
  ])('refuses %s', (raw) => refused(() => volume.parse(raw)));
});

describe('statusRanges', () => {
  it('reads single codes and ranges', () => {
    expect(statusRanges.parse('200, 204-206,404')).toEqual([
      [200, 200],
      [204, 206],
      [404, 404],
    ]);
  });

  it.each(['', '99', '600', '299-200', '200-', '2xx', '200;204', '200,', '２００', '200,'.repeat(1000)])(
    'refuses %j',
    (raw) => refused(() => statusRanges.parse(raw)),
  );
});
