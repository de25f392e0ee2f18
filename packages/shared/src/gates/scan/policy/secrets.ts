/** What a secret looks like. Nothing here returns the secret itself: a caller gets its kind, its public prefix and its length. */

export interface SecretMatch {
  readonly kind: string;
  /** Masked: the part that all such secrets share, and the length. */
  readonly excerpt: string;
  /** Where it begins in the text. */
  readonly offset: number;
  readonly isPrivateKey: boolean;
}

interface TokenFormat {
  readonly kind: string;
  /** With one group where the secret is a part of the match. */
  readonly pattern: RegExp;
  /** How many characters at the beginning are the same for all of this kind. */
  readonly prefix: number;
}

/** After the first line of a private key: headers of its own, then the key. In JSON the line ends are escaped. */
const KEY_BODY = /^(?:[A-Za-z-]{1,40}: [^\n]{0,200}\n)*\n?[A-Za-z0-9+/=]{40}/;
const KEY_BODY_WITHIN = 2_048;

/** Formats that their makers publish so that they can be recognised; a match is hardly ever anything else. */
const FORMATS: readonly TokenFormat[] = [
  { kind: 'AWS access key', pattern: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/g, prefix: 4 },
  {
    kind: 'AWS secret key',
    pattern: /aws_secret(?:_access)?_key["']?\s{0,4}[=:]\s{0,4}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])/gi,
    prefix: 0,
  },
  { kind: 'GitHub token', pattern: /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g, prefix: 4 },
  { kind: 'GitHub token', pattern: /\bgithub_pat_[A-Za-z0-9_]{60,255}\b/g, prefix: 11 },
  { kind: 'GitLab token', pattern: /\bglpat-[A-Za-z0-9_-]{20,64}/g, prefix: 6 },
  { kind: 'Slack token', pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{20,255}/g, prefix: 5 },
  {
    kind: 'Slack webhook',
    pattern: /https:\/\/hooks\.slack\.com\/services\/(T[A-Z0-9]{6,20}\/B[A-Z0-9]{6,20}\/[A-Za-z0-9]{20,64})/g,
    prefix: 0,
  },
  { kind: 'Google API key', pattern: /\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, prefix: 4 },
  { kind: 'npm token', pattern: /\bnpm_[A-Za-z0-9]{36}\b/g, prefix: 4 },
  { kind: 'PyPI token', pattern: /\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,512}/g, prefix: 5 },
  { kind: 'Stripe key', pattern: /\b[sr]k_live_[A-Za-z0-9]{20,255}\b/g, prefix: 8 },
  { kind: 'SendGrid key', pattern: /\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, prefix: 3 },
  { kind: 'Docker Hub token', pattern: /\bdckr_pat_[A-Za-z0-9_-]{27}(?![A-Za-z0-9_-])/g, prefix: 9 },
  { kind: 'Azure storage key', pattern: /AccountKey=([A-Za-z0-9+/]{86}==)/g, prefix: 0 },
  { kind: 'age key', pattern: /\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b/g, prefix: 16 },
  {
    kind: 'private key',
    pattern: /-----BEGIN (?:[A-Z0-9]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----/g,
    prefix: 0,
  },
];

/** Formats that are secrets in a configuration but too common in documentation and tests to be looked for in every file. */
const CONFIG_FORMATS: readonly TokenFormat[] = [
  {
    kind: 'JSON Web Token',
    pattern: /\beyJ[A-Za-z0-9_-]{10,500}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{20}/g,
    prefix: 3,
  },
  {
    kind: 'password in a URL',
    pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@'"<>{}$]{0,64}:([^\s/:@'"<>{}$]{3,128})@[A-Za-z0-9[]/gi,
    prefix: 0,
  },
];

/** One of these stands in every text that a format could match: most files are done with after this. */
const HINT =
  /AKIA|ASIA|aws_secret|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|hooks\.slack|AIza|npm_|pypi-Ag|k_live_|SG\.|dckr_pat_|AccountKey=|AGE-SECRET|PRIVATE KEY/i;

/** Credentials of a known format in the text of any file. */
export function findTokens(text: string): readonly SecretMatch[] {
  return HINT.test(text) ? search(text, FORMATS) : [];
}

/** Credentials of a known format in an environment value, a label, a command or a file of settings. */
export function findConfigTokens(text: string): readonly SecretMatch[] {
  return search(text, [...FORMATS, ...CONFIG_FORMATS]);
}

function search(text: string, formats: readonly TokenFormat[]): readonly SecretMatch[] {
  return formats.flatMap(({ kind, pattern, prefix }) =>
    [...text.matchAll(pattern)].slice(0, 100).flatMap((match): SecretMatch[] => {
      const secret = match[1] ?? match[0];
      const isPrivateKey = kind === 'private key';
      if (isPrivateKey ? !hasKeyBody(text, match.index + secret.length) : isPlaceholder(secret)) return [];
      const shown = isPrivateKey ? kind : `${kind} ${secret.slice(0, prefix)}… (${secret.length} characters)`;
      return [{ kind, excerpt: shown, offset: match.index, isPrivateKey }];
    }),
  );
}

/** Code and documentation name the first line of a key without a key after it. */
function hasKeyBody(text: string, from: number): boolean {
  const lines = text
    .slice(from, from + KEY_BODY_WITHIN)
    .replace(/\\[nr]/g, '\n')
    .replace(/\r/g, '');
  return KEY_BODY.test(lines.replace(/^\s+/, '').replace(/^[ \t]+/gm, ''));
}

const SECRET_NAME =
  /(?:^|[_.-])(?:pass(?:word|wd|phrase)?|pwd|secrets?|tokens?|credentials?|api_?key|auth_?key|authtoken|access_?key|secret_?key|private_?key|encryption_?key|signing_?key|master_?key|salt)$/i;
const CAMEL_NAME = /[a-z](?:Password|Secret|Token|ApiKey|AccessKey|PrivateKey|SecretKey)$/;
const PLAIN_WORDS =
  /^(?:true|false|yes|no|on|off|none|null|nil|undefined|enabled?|disabled?|required|optional|default|auto|basic|bearer|file|env|vault|\d{1,5})$/i;
const PLACEHOLDER =
  /change[-_ ]?me|change[-_ ]?this|placeholder|example|dummy|insert|replace[-_ ]?(?:me|with)|your[-_ ]|xxxx|\*\*\*|<[^>]*>|\$\{?[A-Za-z_(]|\{\{|%[A-Za-z_]+%|not[-_ ]?set|to[-_ ]?be[-_ ]|redacted|^(?:password|passwd|secret|token|test|testing|user|admin|root|guest|postgres|mysql|redis)$/i;

const LONGEST_VALUE = 4_096;

/** Whether a value stands for a secret rather than being one. */
export function isPlaceholder(value: string): boolean {
  const beginning = value.slice(0, LONGEST_VALUE);
  return PLACEHOLDER.test(beginning) || new Set(beginning).size <= 3;
}

/** Whether a name says that its value is a secret: `DB_PASSWORD`, `npm.authToken`, `apiKey`. */
export function namesSecret(name: string): boolean {
  return SECRET_NAME.test(name) || CAMEL_NAME.test(name);
}

/**
 * Whether a named value looks like a real secret: the name says so, and the value is neither a word that switches something, a placeholder,
 * a path, a reference, nor too regular for its length.
 */
export function looksSecret(name: string, value: string): boolean {
  if (!namesSecret(name) || value.length < 6 || value.length > LONGEST_VALUE) return false;
  if (PLAIN_WORDS.test(value) || isPlaceholder(value)) return false;
  if (/^(?:\.{0,2}\/|~\/|[a-z][a-z0-9+.-]*:\/\/)/i.test(value)) return false;
  if (/\s/.test(value)) return false;
  const classes = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((each) => each.test(value)).length;
  return classes >= 2 && entropy(value) >= (value.length >= 16 ? 3 : 2.25);
}

/** Shannon entropy in bits a character. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

export interface Assignment {
  readonly name: string;
  readonly value: string;
  readonly offset: number;
}

/** Every `NAME=value`, `--name=value` and `name: value` in a text, quotes removed. */
export function assignments(text: string): readonly Assignment[] {
  const pattern =
    /([A-Za-z_][A-Za-z0-9_.-]{0,100})(?:\s{0,3}=\s{0,3}|["']?:\s{1,3})(?:"([^"\n]{0,4096})"|'([^'\n]{0,4096})'|([^\s"';&|]{1,4096}))/g;
  return [...text.matchAll(pattern)].map((match) => ({
    name: match[1] ?? '',
    value: match[2] ?? match[3] ?? match[4] ?? '',
    offset: match.index,
  }));
}

/** The excerpt of a value of which nothing can be shown. */
export function maskedLength(value: string): string {
  return `*** (${value.length} characters)`;
}
