import { BadPattern, ignoreRules } from '@cd-actions/shared/engine/ignore';
import { describe, expect, it } from 'vitest';

/** Which of the paths a file leaves out. */
const excluded = (text: string, ...paths: readonly string[]) =>
  paths.filter((path) => ignoreRules(text).excludes(path));

describe('.dockerignore', () => {
  it.each([
    ['a name at the root only', 'temp', ['temp', 'temp/a'], ['x/temp', 'temp2']],
    ['leading and trailing slashes do not count', '/temp/', ['temp', 'temp/a'], ['x/temp']],
    ['* stops at a slash', '*/temp*', ['a/temp', 'a/temporary.txt', 'a/temp/b'], ['temp', 'a/b/temp']],
    ['? is one character', 'temp?', ['tempa', 'temp1/x'], ['temp', 'tempab', 'temp/x']],
    ['** is any depth, none too', '**/*.md', ['a.md', 'x/a.md', 'x/y/a.md'], ['a.mdx']],
    ['** at the end', 'docs/**', ['docs/a', 'docs/a/b'], ['docs', 'xdocs/a']],
    ['** within', 'a/**/z', ['a/z', 'a/b/z', 'a/b/c/z/y'], ['az', 'a/bz']],
    ['a class', 'a[0-9].txt', ['a1.txt'], ['ab.txt', 'a/.txt']],
    ['a negated class', 'a[^0-9].txt', ['ab.txt'], ['a1.txt', 'a/.txt']],
    ['a quoted star', 'a\\*', ['a*'], ['ab']],
    ['a dot is a dot', '.env', ['.env'], ['xenv', 'a/.env']],
    ['dot segments are cleaned away', './a/../temp', ['temp'], ['a/temp']],
    ['comments, blanks and a byte order mark', '\ufeff# temp\n\n  temp  \r\n #x', ['temp', '#x'], ['# temp']],
    ['the context itself cannot be left out', '.\n/', [], ['a']],
  ])('%s', (_name, text, out, kept) => {
    expect(excluded(text, ...out, ...kept)).toEqual(out);
  });

  it('lets the last pattern that matches decide', () => {
    expect(excluded('*.md\n!README*.md\nREADME-secret.md', 'a.md', 'README.md', 'README-secret.md')).toEqual([
      'a.md',
      'README-secret.md',
    ]);
    expect(excluded('*.md\nREADME-secret.md\n!README*.md', 'a.md', 'README-secret.md')).toEqual(['a.md']);
  });

  it('takes a file back out of a directory that is left out', () => {
    const rules = ignoreRules('dir\n!dir/keep/this.txt');
    expect(rules.excludes('dir/other')).toBe(true);
    expect(rules.excludes('dir/keep/this.txt')).toBe(false);
    expect([rules.mayKeepInside('dir'), rules.mayKeepInside('dir/keep'), rules.mayKeepInside('node_modules')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(ignoreRules('a\n!**/x').mayKeepInside('a')).toBe(true);
  });

  it('refuses what is no pattern', () => {
    for (const text of ['a[', 'a[]', 'a\\', '!']) expect(() => ignoreRules(text)).toThrow(BadPattern);
  });
});
