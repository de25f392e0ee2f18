/**
 * The grammar of one input: what is allowed, in words, and the parser that holds it.
 * `parse` returns the value, or throws `Refused` with the reason. It never has a side effect.
 */
export interface Grammar<T> {
  readonly allowed: string;
  parse(raw: string): T;
}

/** A value that a grammar does not admit. The message says why, without repeating the value. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** No accepted value is longer than this, in UTF-16 units. */
export const MAX_VALUE_LENGTH = 65_536;

// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** A value that matches a pattern whole. */
export function pattern(allowed: string, regexp: RegExp, maxLength = 255): Grammar<string> {
  return {
    allowed,
    parse(raw) {
      if (raw.length > maxLength) throw new Refused(`is longer than ${maxLength} characters`);
      if (!regexp.test(raw)) throw new Refused('does not have the allowed form');
      return raw;
    },
  };
}

/** Free text without control characters; one line unless `multiline`. */
export function text(allowed: string, options: { multiline?: boolean; maxLength?: number } = {}): Grammar<string> {
  const maxLength = options.maxLength ?? MAX_VALUE_LENGTH;
  return {
    allowed,
    parse(raw) {
      if (raw.length > maxLength) throw new Refused(`is longer than ${maxLength} characters`);
      if (CONTROL.test(raw)) throw new Refused('contains a control character');
      if (!options.multiline && /[\r\n]/.test(raw)) throw new Refused('contains a line break');
      return raw;
    },
  };
}

/** One of a fixed set of words. */
export function oneOf<const T extends string>(...words: readonly T[]): Grammar<T> {
  return {
    allowed: words.map((word) => `\`${word}\``).join(', '),
    parse(raw) {
      const found = words.find((word) => word === raw);
      if (found === undefined) throw new Refused('is not one of the allowed words');
      return found;
    },
  };
}

/** The YAML 1.2 core schema's booleans (https://yaml.org/spec/1.2.2/#10212-boolean). */
export const boolean: Grammar<boolean> = {
  allowed: '`true` or `false`',
  parse(raw) {
    if (/^(true|True|TRUE)$/.test(raw)) return true;
    if (/^(false|False|FALSE)$/.test(raw)) return false;
    throw new Refused('is not a YAML 1.2 boolean');
  },
};

/** A whole decimal number within bounds. */
export function integer(min: number, max: number): Grammar<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse(raw) {
      if (!/^-?(0|[1-9]\d{0,15})$/.test(raw)) throw new Refused('is not a whole number');
      const value = Number(raw);
      if (value < min || value > max) throw new Refused(`is not between ${min} and ${max}`);
      return value;
    },
  };
}

/** A decimal number within bounds. */
export function decimal(min: number, max: number): Grammar<number> {
  return {
    allowed: `a number from ${min} to ${max}`,
    parse(raw) {
      if (!/^-?\d{1,15}(\.\d{1,9})?$/.test(raw)) throw new Refused('is not a number');
      const value = Number(raw);
      if (value < min || value > max) throw new Refused(`is not between ${min} and ${max}`);
      return value;
    },
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration in milliseconds, written `500ms`, `30s`, `5m`, `1h`. */
export function duration(minMs = 0, maxMs = 86_400_000): Grammar<number> {
  return {
    allowed: `a duration such as \`500ms\`, \`30s\`, \`5m\`, from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`,
    parse(raw) {
      const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(raw);
      if (!match) throw new Refused('is not a duration');
      const value = Math.round(Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN));
      if (value < minMs || value > maxMs)
        throw new Refused(`is not between ${formatDuration(minMs)} and ${formatDuration(maxMs)}`);
      return value;
    },
  };
}

/** Milliseconds as a person writes them: `500ms`, `1.5s`, `5m`. */
export function formatDuration(ms: number): string {
  if (ms !== 0 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms !== 0 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms < 1000 && ms !== 0 ? `${Math.round(ms)}ms` : `${Number((ms / 1000).toFixed(2))}s`;
}

/** A size in bytes, written `256m`, `1g` as Docker does (powers of 1024). */
export const size: Grammar<number> = {
  allowed: 'a size such as `256m` or `1g`',
  parse(raw) {
    const match = /^(\d{1,12})(b|k|m|g)?$/.exec(raw);
    if (!match) throw new Refused('is not a size');
    const value = Number(match[1]) * 1024 ** 'bkmg'.indexOf(match[2] ?? 'b');
    if (value <= 0 || !Number.isSafeInteger(value)) throw new Refused('is not a usable size');
    return value;
  },
};

/** One item a line; blank lines and lines that begin with `#` are skipped; a comma separates too unless an item can hold one. */
export function list<T>(item: Grammar<T>, options: { commas?: boolean; max?: number } = {}): Grammar<readonly T[]> {
  const max = options.max ?? 1000;
  return {
    allowed: `one a line, each ${item.allowed}`,
    parse(raw) {
      if (raw.length > MAX_VALUE_LENGTH) throw new Refused(`is longer than ${MAX_VALUE_LENGTH} characters`);
      const items = splitList(raw, options.commas ?? false);
      if (items.length > max) throw new Refused(`has more than ${max} items`);
      return items.map((each) => {
        try {
          return item.parse(each);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          throw new Refused(`item ${JSON.stringify(each.slice(0, 80))} ${error.message}`);
        }
      });
    },
  };
}

function splitList(raw: string, commas: boolean): string[] {
  return raw
    .split(/\r?\n/)
    .filter((line) => !line.trimStart().startsWith('#'))
    .flatMap((line) => (commas ? line.split(',') : [line]))
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The value of `grammar`, handed through `convert`, which may refuse it. */
export function mapped<A, B>(grammar: Grammar<A>, convert: (value: A) => B, allowed = grammar.allowed): Grammar<B> {
  return { allowed, parse: (raw) => convert(grammar.parse(raw)) };
}

/** An http or https URL. Credentials belong in inputs that are masked, and a fragment is never sent. */
export function httpUrl(example: string): Grammar<string> {
  return {
    allowed: `a URL such as \`${example}\`, without user, password or fragment`,
    parse(raw) {
      const url = raw.length <= 2048 && !/[\s\p{Cc}]/u.test(raw) && URL.canParse(raw) ? new URL(raw) : undefined;
      if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new Refused('is not an http or https URL');
      if (url.username !== '' || url.password !== '' || url.hash !== '')
        throw new Refused('has a user, password or fragment');
      return raw;
    },
  };
}
