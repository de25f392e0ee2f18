/**
 * The semantics of `.dockerignore` (https://docs.docker.com/build/concepts/context/#dockerignore-files; the rules are those of
 * github.com/moby/patternmatcher): patterns in order, the last that matches a path or one of its parents decides, `!` takes back.
 */
export interface IgnoreRules {
  /** Is this file (a relative path with `/`) kept out of the build? */
  excludes(path: string): boolean;
  /** May a directory that is excluded itself hold files that are not? */
  mayKeepInside(directory: string): boolean;
}

interface Rule {
  readonly pattern: string;
  readonly negated: boolean;
  readonly regexp: RegExp;
}

/** A pattern that is no pattern, such as an open `[`. The message names it. */
export class BadPattern extends Error {
  override readonly name = 'BadPattern';
}

export function ignoreRules(text: string): IgnoreRules {
  const rules = parse(text);
  return {
    excludes: (path) => {
      const candidates = withParents(path);
      let excluded = false;
      for (const rule of rules) {
        if (rule.negated === excluded && candidates.some((each) => rule.regexp.test(each))) excluded = !rule.negated;
      }
      return excluded;
    },
    mayKeepInside: (directory) =>
      rules.some(
        (rule) => rule.negated && (/[*?[\\]/.test(rule.pattern) || `${rule.pattern}/`.startsWith(`${directory}/`)),
      ),
  };
}

function withParents(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function parse(text: string): readonly Rule[] {
  const rules: Rule[] = [];
  for (const raw of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    // A comment begins in the first column; blanks around a pattern do not count.
    if (raw.startsWith('#')) continue;
    const line = raw.trim();
    if (line === '') continue;
    const negated = line.startsWith('!');
    const pattern = clean(negated ? line.slice(1).trim() : line);
    if (negated && pattern === '') throw new BadPattern('`!` stands alone');
    // `.` and `/` name the context itself, which cannot be left out.
    if (pattern !== '.' && pattern !== '') rules.push({ pattern, negated, regexp: translate(pattern) });
  }
  return rules;
}

/** What Go's filepath.Clean makes of it, without leading and trailing slashes. */
function clean(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !pattern.startsWith('/')) parts.push(part);
  }
  return parts.join('/');
}

/** `*` and `?` stop at `/`, `**` does not and stands for nothing too, `[...]` is a class, `\` quotes. */
function translate(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] ?? '';
    if (char === '*' && pattern[at + 1] === '*') {
      while (pattern[at + 1] === '*') at += 1;
      if (pattern[at + 1] === '/') {
        at += 1;
        source += '(?:.*/)?';
      } else source += '.*';
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '\\') {
      at += 1;
      if (at >= pattern.length) throw new BadPattern(`\`${pattern}\` ends with a backslash`);
      source += quote(pattern[at] ?? '');
    } else if (char === '[') {
      const end = classEnd(pattern, at);
      source += classSource(pattern.slice(at + 1, end), pattern);
      at = end;
    } else source += quote(char);
  }
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    throw new BadPattern(`\`${pattern}\` is not a pattern`);
  }
}

const quote = (char: string): string => char.replace(/[.*+?^${}()|[\]\\/]/, '\\$&');

function classEnd(pattern: string, start: number): number {
  for (let at = start + 1; at < pattern.length; at += 1) {
    if (pattern[at] === '\\') at += 1;
    else if (pattern[at] === ']' && at > start + 1) return at;
  }
  throw new BadPattern(`\`${pattern}\` has an open \`[\``);
}

function classSource(body: string, pattern: string): string {
  const negated = body.startsWith('^');
  const inner = negated ? body.slice(1) : body;
  if (inner === '') throw new BadPattern(`\`${pattern}\` has an empty class`);
  return `${negated ? '(?!/)[^' : '(?!/)['}${inner.replace(/[[\]]/g, '\\$&')}]`;
}
