import { type Grammar, MAX_VALUE_LENGTH, pattern, Refused, text } from './grammar.ts';

/** The name of an environment variable (POSIX, https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html). */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

const anyText = text('text', { multiline: true });

/** `NAME=value`. */
export const assignment: Grammar<readonly [string, string]> = {
  allowed: '`NAME=value`, the name of letters, digits and `_`, not beginning with a digit',
  parse(raw) {
    const at = raw.indexOf('=');
    if (at < 1) throw new Refused('has no `NAME=`');
    const name = raw.slice(0, at);
    if (!VARIABLE.test(name)) throw new Refused('does not begin with a variable name');
    return [name, anyText.parse(raw.slice(at + 1))];
  },
};

/** `key=value` with a label's or an option's key. */
export const keyValue: Grammar<readonly [string, string]> = {
  allowed: '`key=value`, the key of letters, digits, `.`, `_`, `-`, `/`',
  parse(raw) {
    const at = raw.indexOf('=');
    if (at < 1) throw new Refused('has no `key=`');
    const key = raw.slice(0, at);
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/.test(key)) throw new Refused('does not begin with a plain key');
    return [key, anyText.parse(raw.slice(at + 1))];
  },
};

/** A Docker bind or named volume, `source:target` with an optional `:ro` or `:rw`. */
export const volume: Grammar<string> = {
  allowed: '`source:target` or `source:target:ro`, the source a plain absolute path or a volume name',
  parse(raw) {
    const plain = /^(\/[A-Za-z0-9/._@+-]*|[A-Za-z0-9][A-Za-z0-9_.-]+):(\/[A-Za-z0-9/._@+-]+)(:ro|:rw)?$/;
    const match = raw.length > 4096 ? null : plain.exec(raw);
    if (!match) throw new Refused('is not a volume');
    if (raw.split(/[/:]/).includes('..')) throw new Refused('contains `..`');
    if (/^\/(?:var\/)?run\/docker\.sock$/.test(match[1] ?? ''))
      throw new Refused('would hand the Docker engine to the app');
    return raw;
  },
};

export const networkName: Grammar<string> = pattern('a Docker network name', /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 128);

const plainRequestPath = pattern(
  'a path that begins with `/`, such as `/health` or `/health?deep=1`',
  /^\/[A-Za-z0-9/._~%?&=:@,+-]*$/,
  1024,
);

/** A request path as it stands in a request line, without anything that a shell, Nginx or a client could read as more than that. */
export const requestPath: Grammar<string> = {
  allowed: plainRequestPath.allowed,
  parse(raw) {
    const path = plainRequestPath.parse(raw);
    if (path.split(/[/?]/).includes('..')) throw new Refused('contains `..`');
    return path;
  },
};

/** Accepted status codes: `200`, `200-299`, `200,204,301-399`. */
export const statusRanges: Grammar<readonly (readonly [number, number])[]> = {
  allowed: 'status codes such as `200`, `200-299` or `200,301-399`',
  parse(raw) {
    if (raw.length > 1024) throw new Refused('is longer than 1024 characters');
    return raw.split(',').map((part) => {
      const match = /^\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*$/.exec(part);
      if (!match) throw new Refused('is not a list of status codes');
      const from = Number(match[1]);
      const to = Number(match[2] ?? match[1]);
      if (to < from) throw new Refused('has a range that runs backwards');
      return [from, to] as const;
    });
  },
};

/** Words as a POSIX shell splits them: quotes and backslashes count, nothing is expanded. */
export const words: Grammar<readonly string[]> = {
  allowed: 'a command with arguments, quoted as for a shell; nothing is expanded',
  parse(raw) {
    if (raw.length > MAX_VALUE_LENGTH) throw new Refused(`is longer than ${MAX_VALUE_LENGTH} characters`);
    if (/[\p{Cc}--[\n\t\r]]/v.test(raw)) throw new Refused('contains a control character');
    return splitWords(raw);
  },
};

function splitWords(raw: string): string[] {
  const token = /\s+|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)/gy;
  const found: string[] = [];
  let word: string | undefined;
  let end = 0;
  for (let match = token.exec(raw); match; match = token.exec(raw)) {
    end = token.lastIndex;
    const part = match[1] ?? match[2]?.replace(/\\(["\\$`])/g, '$1') ?? match[3] ?? match[4];
    if (part !== undefined) word = (word ?? '') + part;
    else if (word !== undefined) {
      found.push(word);
      word = undefined;
    }
  }
  if (end !== raw.length) throw new Refused('has a quote that is not closed');
  return word === undefined ? found : [...found, word];
}

/** The contents of an env file, as `docker run --env-file` reads it: `NAME=value` lines, blank lines, `#` comments. */
export function parseEnvFile(contents: string): Readonly<Record<string, string>> {
  const entries = contents.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '' || line.trimStart().startsWith('#')) return [];
    try {
      return [assignment.parse(line.trimStart())];
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new Refused(`has a line ${index + 1} that ${error.message}`);
    }
  });
  return Object.fromEntries(entries);
}

/** A path inside the checkout: relative, without `..`. */
export const workspacePath: Grammar<string> = {
  allowed: 'a path inside the checkout, relative and without `..`',
  parse(raw) {
    if (raw.length > 1024) throw new Refused('is longer than 1024 characters');
    if (/\p{Cc}/u.test(raw)) throw new Refused('contains a control character');
    if (raw.startsWith('/') || raw.split(/[/\\]/).includes('..')) throw new Refused('leaves the checkout');
    return raw;
  },
};
