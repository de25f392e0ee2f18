import mustache from 'mustache';
import { messageOf, UserError } from '../domain/errors.ts';

/** What a template of an app's location may name; docs/traffic.md describes it to users. */
export interface LocationView {
  readonly id: string;
  readonly app: string;
  readonly environment: string;
  readonly prefix: string;
  readonly paths: readonly { readonly match: string }[];
  /** For `proxy_pass`. */
  readonly upstream: string;
  /** The lines that choose a version. */
  readonly traffic: string;
  /** The standard proxy lines, `proxy_pass` among them. */
  readonly proxy: string;
}

const REMEDY = 'Correct the `template`; docs/traffic.md shows the view and an example.';

/** Mustache without its escaping, which is made for HTML: every value was admitted before. */
export function fill(template: string, view: unknown): string {
  return mustache.render(template, view, undefined, { escape: (value) => String(value) });
}

/**
 * Renders a template of the user's own, or the built-in one, which is held to nothing.
 * @throws UserError when it is no mustache template, names what is not in the view, does not close its blocks, or sends requests to
 * the app in a location that does not choose a version.
 */
export function fillLocation(template: string, view: LocationView, own: boolean): string {
  if (!own) return fill(template, view);
  refuseUnknownTags(parsed(template));
  const text = fill(template, view);
  const blocks = topLevelBlocks(text);
  if (!blocks.some((block) => block.includes(view.traffic)))
    throw new UserError('The `template` has no location with the `{{traffic}}` lines, which choose a version.', REMEDY);
  const variable = view.upstream.replace('http://', '');
  const unled = blocks.find(
    (block) => block.replaceAll(view.traffic, '').includes(variable) && !block.includes(view.traffic),
  );
  if (unled !== undefined)
    throw new UserError(
      `The \`template\` sends requests to the app in a block without the \`{{traffic}}\` lines: ${JSON.stringify(unled.trim().slice(0, 80))}.`,
      REMEDY,
    );
  if (!text.replaceAll(view.traffic, '').includes(variable))
    throw new UserError(
      'The `template` sends no request to the app: it has neither `{{proxy}}` nor `{{upstream}}`.',
      REMEDY,
    );
  return text;
}

type Token = readonly [kind: string, value: string, ...rest: unknown[]];

function parsed(template: string): readonly Token[] {
  try {
    return mustache.parse(template) as unknown as readonly Token[];
  } catch (error) {
    throw new UserError(`The \`template\` is not a mustache template: ${messageOf(error)}.`, REMEDY, { cause: error });
  }
}

const NAMES: readonly string[] = [
  'id',
  'app',
  'environment',
  'prefix',
  'paths',
  'match',
  'upstream',
  'traffic',
  'proxy',
];

/** Mustache renders what it does not know as nothing: a slip of the pen would go unnoticed. */
function refuseUnknownTags(tokens: readonly Token[]): void {
  for (const [kind, name, , , inner] of tokens) {
    if (kind === 'text' || kind === '!' || kind === '=') continue;
    if (kind === '>' || !NAMES.includes(name))
      throw new UserError(
        `The \`template\` names \`${kind === '>' ? `> ${name}` : name}\`, which is not in the view. There is: ${NAMES.join(', ')}.`,
        REMEDY,
      );
    if (Array.isArray(inner)) refuseUnknownTags(inner as unknown as readonly Token[]);
  }
}

/** As `ngx_conf_read_token` reads: quotes at the beginning of a word, backslash escapes, `${`, comments. */
const LEXEME =
  /\s+|#[^\n]*|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|[{};]|(?:\$\{|\\[\s\S]|[^\s{};\\"'])(?:\$\{[^}]*\}|\\[\s\S]|[^\s{;\\])*/y;

/** The text of each block at the top, its head included. What is not closed would take in what follows it: the server's own lines. */
function topLevelBlocks(text: string): readonly string[] {
  const lexeme = new RegExp(LEXEME);
  const blocks: string[] = [];
  let depth = 0;
  let start = 0;
  while (lexeme.lastIndex < text.length) {
    const at = lexeme.lastIndex;
    const found = lexeme.exec(text)?.[0];
    if (found === undefined)
      throw new UserError(
        `The \`template\` is not Nginx syntax at ${JSON.stringify(text.slice(at, at + 60))}.`,
        REMEDY,
      );
    if (found === '{') depth += 1;
    if (found === '}') depth -= 1;
    if (depth < 0) break;
    if (depth === 0 && (found === '}' || found === ';')) {
      blocks.push(text.slice(start, lexeme.lastIndex));
      start = lexeme.lastIndex;
    }
  }
  if (depth !== 0) throw new UserError('The `template` does not close its blocks: each `{` needs its `}`.', REMEDY);
  return blocks;
}
