/** The shape of an Nginx configuration: directive names, numbers of parameters, nesting. The words themselves are left out. */
export type Shape = readonly (readonly [name: string, parameters: number, block: Shape | null])[];

type Token = { readonly kind: 'word' | '{' | '}' | ';'; readonly text: string };

/** Tokens as `ngx_conf_read_token` reads them: quotes only at the beginning of a word, `${` without a block, backslash escapes. */
export function tokens(text: string): readonly Token[] {
  const found: Token[] = [];
  const pattern =
    /\s+|#[^\n]*|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|\{|\}|;|(?:\$\{|\\[\s\S]|[^\s{};\\"'])(?:\$\{[^}]*\}|\\[\s\S]|[^\s{;\\])*/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const token = pattern.exec(text)?.[0];
    if (token === undefined) throw new Error(`not Nginx syntax at ${JSON.stringify(text.slice(at, at + 40))}`);
    if (/^(\s|#)/.test(token)) continue;
    const kind = token === '{' || token === '}' || token === ';' ? token : 'word';
    found.push({ kind, text: token });
  }
  return found;
}

export function shapeOf(text: string): Shape {
  const rest = [...tokens(text)];
  const shape = block(rest);
  if (rest.length > 0) throw new Error('a block is closed that was never opened');
  return shape;
}

/** Blocks whose entries begin with a value, not with the name of a directive. */
const TABLES = ['map', 'split_clients'];

function block(rest: Token[], table = false): Shape {
  const found: [string, number, Shape | null][] = [];
  while (rest.length > 0 && rest[0]?.kind !== '}') {
    const words: string[] = [];
    while (rest[0]?.kind === 'word') words.push(rest.shift()?.text ?? '');
    const end = rest.shift();
    if (end?.kind === '{') {
      const inner = block(rest, TABLES.includes(words[0] ?? ''));
      if (rest.shift()?.kind !== '}') throw new Error('a block is not closed');
      found.push([words[0] ?? '', words.length - 1, inner]);
    } else if (end?.kind === ';') found.push([table ? 'entry' : (words[0] ?? ''), words.length - 1, null]);
    else throw new Error('a directive is not ended');
  }
  return found;
}
