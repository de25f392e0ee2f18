/** The parts of a user's own main configuration that matter here, read as text: enough to find one include at `http` level. */

/** A main configuration without comments and quoted strings, each blanked so that positions stay. */
function blanked(text: string): string {
  return text.replaceAll(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|#[^\n]*/g, (match) => ' '.repeat(match.length));
}

export interface Include {
  /** As written, without `include` and `;`. */
  readonly pattern: string;
  readonly start: number;
  readonly end: number;
}

/** The includes that stand directly in `http { }`. */
export function httpIncludes(text: string): readonly Include[] {
  const plain = blanked(text);
  const includes: Include[] = [];
  let depth = 0;
  let http = -1;
  for (const token of plain.matchAll(/[{}]|\bhttp\s*(?=\{)|\binclude\s+([^;{}\s]+)\s*;/g)) {
    const [word, pattern] = token;
    if (word === '{') depth += 1;
    else if (word === '}') {
      depth -= 1;
      if (depth === 0) http = -1;
    } else if (pattern === undefined) http = depth === 0 ? 1 : http;
    else if (http === 1 && depth === 1) includes.push({ pattern, start: token.index, end: token.index + word.length });
  }
  return includes;
}

/** The value of a directive at the top level, such as `pid`; null when it is not there. */
export function topLevel(text: string, directive: string): string | null {
  const plain = blanked(text).replaceAll(/\{[^{}]*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[^{}]*)*\}/g, ' ');
  return new RegExp(`(?:^|[;}\\s])${directive}\\s+([^;\\s]+)[^;]*;`).exec(plain)?.[1] ?? null;
}
