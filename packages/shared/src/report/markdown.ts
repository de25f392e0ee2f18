/**
 * Markdown that is safe to show. Made only by the functions of this room, from text that may be hostile: names of packages, log
 * lines, answers of servers. A template literal takes it as it is.
 */
export class Markdown {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

/** Text is escaped, Markdown is taken as it is. */
export type Content = string | number | Markdown;

/** Control characters, and the marks with which text can pose as other text (https://trojansource.codes). */
const INVISIBLE = /(?![\t\n])\p{Cc}|\p{Bidi_Control}|[\u200b\u2060-\u2064\ufeff]/gu;

/** What begins or ends an element of GitHub's Markdown, of HTML, or a formula. */
const SPECIAL = /[&<>"'`*_{}[\]()|~\\$!^]/g;

/** Longer text is cut when it stands in a line. */
const LONGEST_LINE = 2_000;

/**
 * Text as one line of Markdown that shows exactly that text. Characters with a meaning become numeric references, which never are
 * structure (https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references); nobody is mentioned, no issue is linked.
 */
export function inline(text: string): Markdown {
  const line = visible(text).replace(/\s+/g, ' ').trim();
  const cut = line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE).toWellFormed()}…` : line;
  return new Markdown(
    cut
      .replace(SPECIAL, reference)
      // GitHub looks for mentions and issues after the references are resolved: only a break between helps.
      .replace(/@(?=\w)/g, '@&#8203;')
      .replace(/(?<!&)#(?=\w)/g, '#&#8203;')
      .replace(/\bGH-(?=\d)/gi, (found) => `${found}&#8203;`)
      .replace(/:\/\//g, '&#58;//')
      .replace(/\bwww\./gi, (found) => `${found.slice(0, -1)}&#46;`)
      .replace(/^(?:[-+=#:]|\d+(?=\.(?:\s|$)))/, (found) => [...found].map(reference).join('')),
  );
}

/** Text in the style of code, in one line. */
export function code(text: string): Markdown {
  return new Markdown(text.trim() === '' ? '' : `<code>${inline(text)}</code>`);
}

/** A block of code that shows the text as it is; nothing in it can end it. `language` is a word of the suite's own. */
export function codeBlock(text: string, language = ''): Markdown {
  const shown = visible(text);
  const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  return new Markdown(`${fence}${language}\n${shown.replace(/\n$/, '')}\n${fence}`);
}

/** A link to an http or https address; only the text when the address is another. */
export function link(text: string, address: string): Markdown {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return inline(text);
  const href = url.href.replace(/[()<>[\]|\\`*_~"'{}!$^]/g, percentEncoded);
  return new Markdown(`[${inline(text)}](${href})`);
}

/** The content as Markdown. */
export function markdown(content: Content): Markdown {
  return content instanceof Markdown ? content : inline(String(content));
}

/** Parts one below the other, empty ones left out. */
export function join(...parts: readonly Content[]): Markdown {
  const texts = parts.map((part) => String(markdown(part))).filter((part) => part !== '');
  return new Markdown(texts.join('\n\n'));
}

function visible(text: string): string {
  return text.toWellFormed().replace(/\r\n?/g, '\n').replace(INVISIBLE, '');
}

function reference(character: string): string {
  return `&#${character.codePointAt(0)};`;
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
