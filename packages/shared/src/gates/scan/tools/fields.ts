/** Reading a foreign report: what is not of the right type is as if it were absent, and every text is bounded. */

export type Fields = Readonly<Record<string, unknown>>;

const LONGEST_TEXT = 4_000;

/** A report that is not one of its tool. */
export class MalformedReport extends Error {
  override readonly name = 'MalformedReport';
}

/** The report as JSON. @throws MalformedReport when it is none, such as one that breaks off. */
export function parseReport(text: string | null, tool: string): Fields {
  if (text === null || text.trim() === '') throw new MalformedReport(`${tool} wrote no report`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MalformedReport(`the report of ${tool} is not whole JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MalformedReport(`the report of ${tool} is not an object`);
  return value as Fields;
}

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The objects of a list. A list that is absent is empty; anything else in its place is an error: it might have held findings. */
export function objects(value: unknown, what: string): readonly Fields[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new MalformedReport(`${what} is not a list`);
  return value.map((each: unknown) => {
    if (typeof each === 'object' && each !== null && !Array.isArray(each)) return each as Fields;
    throw new MalformedReport(`${what} holds something that is not an object`);
  });
}

/** A text in one piece, without control characters, at most `length` characters; empty when it is none. */
export function text(value: unknown, length = LONGEST_TEXT): string {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value !== 'string') return '';
  const plain = value
    .slice(0, length * 2)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim();
  return (plain.length <= length ? plain : `${plain.slice(0, length - 1)}…`).toWellFormed();
}

/** `text` in one line. */
export function line(value: unknown, length = 300): string {
  return text(typeof value === 'string' ? value.replace(/\s+/g, ' ') : value, length);
}

export function texts(value: unknown, most: number): readonly string[] {
  return Array.isArray(value)
    ? value
        .slice(0, most)
        .map((each) => line(each, 1_024))
        .filter(Boolean)
    : [];
}

export function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** Addresses on the web, each once. */
export function addresses(values: readonly unknown[]): readonly string[] {
  const found = values
    .map((each) => line(each, 1_024))
    .filter((each) => /^https?:\/\/[^\s<>"]+$/.test(each) && URL.canParse(each));
  return [...new Set(found)].slice(0, 20);
}

/** A path inside an image, without a leading slash. */
export function imagePath(value: unknown): string {
  return line(value, 1_024).replace(/^\/+/, '');
}
