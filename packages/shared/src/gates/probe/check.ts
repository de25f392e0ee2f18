import { duration, type Grammar, Refused } from '../../domain/grammar.ts';
import { type JsonPath, type Literal, type Operator, parsePath, unquote } from './json-path.ts';

/** What an answer has to be. */
export interface Check {
  /** As the user wrote it. */
  readonly text: string;
  readonly method: 'GET' | 'HEAD' | 'OPTIONS';
  /** Begins with `/`; appended to the base URL's path. */
  readonly path: string;
  /** Inclusive ranges; one has to hold. */
  readonly status: readonly (readonly [number, number])[];
  readonly expectations: readonly Expectation[];
}

export type Expectation =
  | { readonly kind: 'json'; readonly text: string; readonly path: JsonPath; readonly compare: Comparison | null }
  | { readonly kind: 'header'; readonly text: string; readonly name: string; readonly value: HeaderValue | null }
  | { readonly kind: 'body'; readonly text: string; readonly contains: string }
  | { readonly kind: 'time'; readonly text: string; readonly limit: number; readonly inclusive: boolean };

export interface Comparison {
  readonly operator: Operator;
  readonly literal: Literal;
}

export interface HeaderValue {
  readonly match: 'equal' | 'contains';
  readonly value: string;
}

const SYNTAX =
  '`METHOD /path status [json:$.a.b>0] [header:Name=value] [body:/text/] [<500ms]`, such as `GET /health 200` or `GET /api/items 200-299 json:$.items.length>0 <500ms`';

/**
 * One check: a safe method, a path, then in any order: statuses (`200`, `200-299`, `200,204`), `json:` path with or without a
 * comparison, `header:Name`, `header:Name=value`, `header:Name~part`, `body:/text/` (plain text; `\/` and `\\` are escapes), `<500ms`.
 * Values with spaces stand in double quotes.
 */
export const check: Grammar<Check> = {
  allowed: SYNTAX,
  parse(raw) {
    const [method, path, ...rest] = tokens(raw.trim());
    if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS')
      throw new Refused('must begin with GET, HEAD or OPTIONS: a check changes nothing');
    if (path === undefined || !/^\/[\x21-\x7e]{0,2047}$/.test(path) || /[#"\\]/.test(path))
      throw new Refused('needs a path that begins with `/`, without spaces');
    const statuses = rest.filter((token) => /^[1-5]/.test(token));
    if (statuses.length !== 1) throw new Refused('needs one status expectation, such as `200`, `200,204` or `200-299`');
    const expectations = rest.filter((token) => !/^[1-5]/.test(token)).map(expectation);
    if (expectations.filter((each) => each.kind === 'time').length > 1)
      throw new Refused('names more than one time limit');
    if (method === 'HEAD' && expectations.some((each) => each.kind === 'body' || each.kind === 'json'))
      throw new Refused('looks at a body, which the answer to HEAD has not');
    return { text: raw.trim(), method, path, status: statusRanges(statuses[0] ?? ''), expectations };
  },
};

/** Statuses as inclusive ranges: `200`, `200-299`, several with commas. @throws Refused */
export function statusRanges(text: string): readonly (readonly [number, number])[] {
  return text.split(',').map((part) => {
    const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (!match || to < from) throw new Refused(`has \`${part.slice(0, 20)}\`, which is no status`);
    return [from, to];
  });
}

/** Splits at spaces outside double quotes and outside `body:/…/`. */
function tokens(raw: string): string[] {
  const TOKEN = /\s*(body:\/(?:[^/\\]|\\.)*\/(?=\s|$)|(?:"(?:[^"\\]|\\.)*"|[^\s"])+)/y;
  const found: string[] = [];
  while (TOKEN.lastIndex < raw.length) {
    const match = TOKEN.exec(raw);
    if (!match?.[1]) throw new Refused('has a quotation mark that is not closed');
    found.push(match[1]);
  }
  return found;
}

function expectation(text: string): Expectation {
  if (text.startsWith('json:')) return jsonExpectation(text);
  if (text.startsWith('header:')) return headerExpectation(text);
  if (text.startsWith('body:')) {
    const match = /^body:\/((?:[^/\\]|\\.)+)\/$/.exec(text);
    if (!match) throw new Refused('has a `body:` that is not of the form `body:/text/`');
    return { kind: 'body', text, contains: (match[1] ?? '').replaceAll(/\\(.)/g, '$1') };
  }
  const time = /^(<=?)(.+)$/.exec(text);
  if (!time) throw new Refused(`has \`${text.slice(0, 40)}\`, which is no expectation`);
  return { kind: 'time', text, limit: duration(1, 3_600_000).parse(time[2] ?? ''), inclusive: time[1] === '<=' };
}

function jsonExpectation(text: string): Expectation {
  const { path, rest } = parsePath(text.slice('json:'.length));
  if (rest === '') return { kind: 'json', text, path, compare: null };
  const match = /^(==|=|!=|<=|>=|<|>)(.+)$/.exec(rest);
  if (!match) throw new Refused(`has \`${text.slice(0, 60)}\`, which is no JSON path with a comparison`);
  const operator = (match[1] === '=' ? '==' : match[1]) as Operator;
  const value = literal(match[2] ?? '');
  if (/[<>]/.test(operator) && typeof value !== 'number') throw new Refused('orders by something that is no number');
  return { kind: 'json', text, path, compare: { operator, literal: value } };
}

function literal(text: string): Literal {
  if (text.startsWith('"')) return unquote(text);
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (/^[\w.+:@/-]+$/.test(text)) return text;
  throw new Refused(`compares with \`${text.slice(0, 40)}\`; write text in double quotes`);
}

function headerExpectation(text: string): Expectation {
  const match = /^header:([!#$%&'*+.^_`|\w-]+?)(?:([=~])(.+))?$/.exec(text);
  if (!match) throw new Refused('has a `header:` that is not of the form `header:Name=value`');
  const [, name = '', operator, value = ''] = match;
  if (operator === undefined) return { kind: 'header', text, name, value: null };
  const wanted = value.startsWith('"') ? unquote(value) : value;
  return { kind: 'header', text, name, value: { match: operator === '=' ? 'equal' : 'contains', value: wanted } };
}
