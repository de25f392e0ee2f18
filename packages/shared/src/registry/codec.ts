import { UserError } from '../domain/errors.ts';

/** The schema that this version writes. It grows when an older version could no longer read what is written. */
const SCHEMA = 1;
/** One record is never larger than this, in UTF-8 bytes: a registry is no place for files. */
const LARGEST = 1_048_576;

/** Checks a value of unknown form. `path` names it in the message. */
export type Shape<T> = (value: unknown, path: string) => T;

class Misfit extends Error {
  override readonly name = 'Misfit';
}

function misfit(path: string, expected: string): never {
  throw new Misfit(`${path} is not ${expected}`);
}

export const text: Shape<string> = (value, path) => (typeof value === 'string' ? value : misfit(path, 'text'));
export const number: Shape<number> = (value, path) =>
  typeof value === 'number' && Number.isFinite(value) ? value : misfit(path, 'a number');
export const boolean: Shape<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : misfit(path, 'true or false');

/** One of the words; `extra` words that a later version may add are let through where they are only shown. */
export function word<const T extends string>(...words: readonly T[]): Shape<T> {
  return (value, path) => words.find((each) => each === value) ?? misfit(path, `one of ${words.join(', ')}`);
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, path) =>
    Array.isArray(value) ? value.map((each, index) => item(each, `${path}[${index}]`)) : misfit(path, 'a list');
}

export function pair<A, B>(first: Shape<A>, second: Shape<B>): Shape<readonly [A, B]> {
  return (value, path) =>
    Array.isArray(value) && value.length === 2
      ? [first(value[0], `${path}[0]`), second(value[1], `${path}[1]`)]
      : misfit(path, 'a pair');
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path));
}

/** `fallback` when the field is absent, as in records that an older version wrote. */
export function or<T>(shape: Shape<T>, fallback: T): Shape<T> {
  return (value, path) => (value === undefined ? fallback : shape(value, path));
}

export const texts: Shape<Readonly<Record<string, string>>> = (value, path) => {
  const entries = Object.entries(fields(value, path));
  return Object.fromEntries(entries.map(([name, each]) => [name, text(each, `${path}.${name}`)]));
};

/** An object with at least these fields. Fields that this version does not know are kept, and so survive the next write. */
export function object<T extends object>(shapes: { readonly [K in keyof T]-?: Shape<T[K]> }): Shape<T> {
  return (value, path) => {
    const given = fields(value, path);
    const known = Object.entries<Shape<unknown>>(shapes).map(([name, shape]) => {
      return [
        name,
        shape(Object.hasOwn(given, name) ? given[name] : undefined, path === '' ? name : `${path}.${name}`),
      ];
    });
    return { ...given, ...Object.fromEntries(known) } as T;
  };
}

function fields(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) misfit(path || 'the value', 'an object');
  return value as Record<string, unknown>;
}

/** A record as it is stored. Throws `UserError` when it is too large to be meant. `what` names it for people. */
export function encode(value: unknown, what: string): string {
  const encoded = JSON.stringify({ schema: SCHEMA, value });
  const bytes = Buffer.byteLength(encoded);
  if (bytes <= LARGEST) return encoded;
  throw new UserError(
    `The record of ${what} would take ${bytes} bytes in the registry; the limit is ${LARGEST}. Nothing was written.`,
    'Shorten what it holds: environment, labels, template.',
  );
}

/** The value of a stored record. Throws `UserError` naming `where` it lies when it cannot be read or a newer version wrote it. */
export function decode<T>(shape: Shape<T>, stored: string, where: string): T {
  const remedy = `Look at it with redis-cli. If it is damaged, remove it: what runs is registered again from the hosts.`;
  let record: { schema?: unknown; value?: unknown };
  try {
    record = fields(JSON.parse(stored), '');
  } catch (error) {
    throw new UserError(`The registry's ${where} is not a record of this suite.`, remedy, { cause: error });
  }
  if (typeof record.schema === 'number' && record.schema > SCHEMA) {
    throw new UserError(
      `The registry's ${where} was written by a newer version of these actions (schema ${record.schema}; this one reads up to ${SCHEMA}).`,
      'Use the same or a newer version of the actions in this workflow.',
    );
  }
  try {
    if (record.schema !== SCHEMA) misfit('schema', 'a number');
    return shape(record.value, '');
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    throw new UserError(`The registry's ${where} cannot be read: ${error.message}.`, remedy, { cause: error });
  }
}
