import { code, codeBlock, inline, join, link, Markdown } from '@cd-actions/shared/report/markdown';
import { details, table, verdictLine } from '@cd-actions/shared/report/summary';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Text with more than its share of what Markdown and HTML give a meaning to. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '|',
        '\n',
        '\r\n',
        '`',
        '```',
        '<',
        '>',
        '</details>',
        '<!--',
        '[x](y)',
        '@',
        '#1',
        '$',
        '\\',
        '&lt;',
        '&#',
        '- ',
        '1. ',
        '    ',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.string({ maxLength: 8 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** The text that a reader sees of one line of Markdown without any element. */
function seen(line: string): string {
  return line
    .replace(/&#(\d+);/g, (_, digits: string) => String.fromCodePoint(Number(digits)))
    .replaceAll('\u200b', '');
}

describe('text in a line of Markdown', () => {
  it.each([
    ['plain words 1.4.2', 'plain words 1.4.2'],
    ['a|b\nc', 'a&#124;b c'],
    ['<img src=x onerror=alert(1)>', '&#60;img src=x onerror=alert&#40;1&#41;&#62;'],
    ['**bold** `code`', '&#42;&#42;bold&#42;&#42; &#96;code&#96;'],
    ['@octocat fixes #12 and GH-7', '@&#8203;octocat fixes #&#8203;12 and GH-&#8203;7'],
    ['https://evil.test www.evil.test', 'https&#58;//evil.test www&#46;evil.test'],
    ['- no list', '&#45; no list'],
    ['12. no list', '&#49;&#50;. no list'],
    ['# no heading', '&#35; no heading'],
    ['&amp;', '&#38;amp;'],
    ['user\u202etxt.exe\u0007', 'usertxt.exe'],
  ])('%j is shown as it is', (text, expected) => expect(String(inline(text))).toBe(expected));

  it('never holds a character that could be structure, and shows the text again, for any text', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const line = String(inline(text));
        expect(line.replace(/&#\d+;/g, '¤')).not.toMatch(
          /[&<>"'`*_{}[\]()|~\\$!^\r\n]|@\w|#\w|:\/\/|^(?:[-+=#:]|\d+\.)/,
        );
        const kept = text
          .toWellFormed()
          .replace(/(?![\t\n\r])\p{Cc}|\p{Bidi_Control}|[\u200b\u2060-\u2064\ufeff]/gu, '');
        expect(seen(line)).toBe(kept.replace(/\s+/g, ' ').trim());
      }),
    );
  });

  it('is cut when it is very long', () => {
    expect(String(inline('x'.repeat(100_000))).length).toBeLessThan(2_100);
  });
});

describe('a block of code', () => {
  it('cannot be ended by what it holds', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const lines = String(codeBlock(text, 'log')).split('\n');
        const fence = /^`+/.exec(lines[0] ?? '')?.[0] ?? '';
        expect(fence.length).toBeGreaterThanOrEqual(3);
        expect(lines.at(-1)).toBe(fence);
        expect(lines.slice(1, -1).every((line) => !line.includes(fence))).toBe(true);
      }),
    );
  });
});

describe('a link', () => {
  it('leads only where http and https lead', () => {
    expect(String(link('run 7', 'https://github.test/a_b/runs/7?x=(1)'))).toBe(
      '[run 7](https://github.test/a%5Fb/runs/7?x=%281%29)',
    );
    for (const address of ['javascript:alert(1)', 'a local run', 'data:text/html,x', 'https://user:pw@host/'])
      expect(String(link('a|b', address))).toBe('a&#124;b');
  });

  it('cannot be broken out of by its address', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const made = String(link(text, `https://host/${text}`));
        expect(made).toMatch(/^\[[^[\]()<>\n]*\]\(https:\/\/host\/[^()<>\s|"'`\\]*\)$/);
      }),
    );
  });
});

describe('a table', () => {
  it('escapes strings, takes Markdown as it is, puts numbers to the right, fills up short rows', () => {
    const made = table(['Version', 'Requests'], [[code('v1|x'), 12], ['a\nb', 7], [link('x', 'https://host/')]]);
    expect(String(made)).toBe(
      [
        '| Version | Requests |',
        '| --- | --- |',
        '| <code>v1&#124;x</code> | 12 |',
        '| a b | 7 |',
        '| [x](https://host/) |  |',
      ].join('\n'),
    );
    expect(String(table(['Requests'], [[1], [2]]))).toContain('| ---: |');
    expect(String(table(['Version'], []))).toBe('');
  });

  it('keeps its shape for any text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(hostile, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 4 }),
        (rows) => {
          const lines = String(table(['a', 'b'], rows)).split('\n');
          expect(lines).toHaveLength(rows.length + 2);
          expect(lines.every((line) => (line.match(/\|/g) ?? []).length === 3)).toBe(true);
        },
      ),
    );
  });

  it('counts the rows beyond its limit', () => {
    const made = String(
      table(
        ['n'],
        Array.from({ length: 12 }, (_, index) => [index]),
        10,
      ),
    );
    expect(made.split('\n')).toHaveLength(14);
    expect(made).toMatch(/And 2 more\.$/);
  });
});

it('a verdict is a headline, and details fold what they hold', () => {
  expect(String(verdictLine('fail', '2 of 3 <failed>'))).toBe('### ❌ Failed: 2 of 3 &#60;failed&#62;');
  expect(String(verdictLine('inconclusive', new Markdown('**nothing** ran')))).toBe(
    '### ⚠️ Inconclusive: **nothing** ran',
  );
  expect(String(details('Logs of </summary>', '</details>'))).toBe(
    '<details><summary>Logs of &#60;/summary&#62;</summary>\n\n&#60;/details&#62;\n\n</details>',
  );
  expect(String(join('a*', '', new Markdown('b')))).toBe('a&#42;\n\nb');
});
