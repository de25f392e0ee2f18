import { Refused } from '../../domain/grammar.ts';

/** A path into a JSON document: `$`, then `.name`, `["name"]` or `[0]`. No wildcards, no filters, nothing is evaluated. */
export type JsonPath = readonly (string | number)[];

const STEP = /^(?:\.([A-Za-z_][\w-]*)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\])/;

/** Reads a path from the start of `text`. @throws Refused */
export function parsePath(text: string): { path: JsonPath; rest: string } {
  if (!text.startsWith('$')) throw new Refused('needs a JSON path that begins with `$`');
  const path: (string | number)[] = [];
  let rest = text.slice(1);
  for (let step = STEP.exec(rest); step; step = STEP.exec(rest)) {
    const [whole, name, index, quoted] = step;
    path.push(name ?? (index === undefined ? unquote(quoted ?? '') : Number(index)));
    rest = rest.slice(whole.length);
  }
  return { path, rest };
}

/** A JSON string literal. @throws Refused */
export function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    throw new Refused('holds a quoted string that is not valid JSON');
  }
}

/** What the path leads to; undefined when there is nothing. Own properties only; `length` works on arrays and strings. */
export function follow(document: unknown, path: JsonPath): unknown {
  let at = document;
  for (const step of path) {
    if (typeof at === 'string' && step === 'length') at = at.length;
    else if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    else at = (at as Readonly<Record<string | number, unknown>>)[step];
  }
  return at;
}

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Literal = string | number | boolean | null;

/** Compares what was found with what was expected; order is defined between numbers alone. */
export function compare(found: unknown, operator: Operator, expected: Literal): boolean {
  if (operator === '==') return found === expected;
  if (operator === '!=') return found !== undefined && found !== expected;
  if (typeof found !== 'number' || typeof expected !== 'number') return false;
  if (operator === '<') return found < expected;
  if (operator === '<=') return found <= expected;
  return operator === '>' ? found > expected : found >= expected;
}
