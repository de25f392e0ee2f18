/** What somebody could put into an input, by accident or not. Keys name the danger. */
export const HOSTILE = {
  'one megabyte': 'a'.repeat(1_048_576),
  'a line break': 'shop\nlisten 81',
  'a carriage return': 'shop\rlisten 81',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant as it stands
  'an Nginx variable': '${request_uri}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant as it stands
  'a workflow expression': '${{ github.token }}',
  'a shell substitution': '$(id)',
  'a backquote': '`id`',
  'an Nginx directive': 'a; return 200; #',
  'an Nginx block': 'a} server {',
  'a comment sign': 'a#b',
  'a mustache tag': '{{{a}}}',
  quotes: `a"b'c`,
  'a backslash': 'a\\b',
  'a space': 'a b',
  'path traversal': '../../etc/passwd',
  'absolute path traversal': '/srv/../../etc/passwd',
  'an option': '--privileged',
  'a Cyrillic letter': '\u0430pp',
  'full-width digits': '\uff11\uff12',
  'a zero-width space': 'a\u200bb',
  'a right-to-left override': 'a\u202eb',
  NUL: 'a\u0000b',
  'an escape sequence': 'a\u001b[31mb',
} as const;

export type Danger = keyof typeof HOSTILE;
const ALL = Object.keys(HOSTILE) as Danger[];

/** What an input of one kind must do. */
export interface Kind {
  readonly refuses: readonly Danger[];
  /** Wrong in the way that is particular to this kind. */
  readonly malformed: readonly string[];
  /** Right: the test cannot pass by refusing everything. */
  readonly accepts: readonly string[];
  /** Whatever is accepted, whole or one item of it, matches this. */
  readonly shape?: RegExp;
}

const but = (...allowed: readonly Danger[]): readonly Danger[] => ALL.filter((danger) => !allowed.includes(danger));
/** Free text: what would corrupt a terminal, a log or a C string is refused, the rest is the user's own. */
const BROKEN: readonly Danger[] = ['one megabyte', 'NUL', 'an escape sequence'];

const NAME: Kind = {
  refuses: ALL,
  malformed: ['-shop', 'shop-', 'Shop', 'shop_1', 'shop.1', 'a'.repeat(41), 'sh/op'],
  accepts: ['shop', 's', '7', 'shop-2', 'a'.repeat(40)],
  shape: /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
};
const DURATION: Kind = {
  refuses: ALL,
  malformed: ['5', '5 s', '-1s', '1d', 's', '1e3ms', '0x1s', '1,5s', '99999999999s', 'Infinity'],
  accepts: ['1s', '5s', '1500ms'],
  shape: /^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/,
};
const BOOLEAN: Kind = {
  refuses: ALL,
  malformed: ['yes', 'no', 'on', 'off', '1', '0', 'tRue', 'y', 'null'],
  accepts: ['true', 'True', 'TRUE', 'false', 'False', 'FALSE'],
};
const VERSION: Kind = {
  refuses: ALL,
  malformed: ['.1', '-1', '1.0+build', 'a/b', 'a:b', 'a@b', 'v'.repeat(129)],
  accepts: ['1.4.2', '3f2a9c1', 'v2', 'RC_1', 'v'.repeat(128)],
  shape: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/,
};
const IMAGE: Kind = {
  refuses: ALL,
  malformed: [
    'Acme/Shop',
    'ghcr.io/Acme/shop',
    'shop:',
    'shop@sha256:abc',
    'shop:tag:tag',
    '/shop',
    'shop/',
    'https://ghcr.io/shop',
  ],
  accepts: ['shop', 'ghcr.io/acme/shop:1.4.2', 'localhost:5000/shop', `shop@sha256:${'a'.repeat(64)}`],
  shape: /^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$/,
};
const PATH: Kind = {
  refuses: ALL,
  malformed: ['etc/nginx', '/a b', '/a;b', '/a/../b', '/..', '/a\nb'],
  accepts: ['/etc/nginx', '/srv/app-1/cert.pem'],
  shape: /^\/[A-Za-z0-9/._@+-]*$/,
};
const word = (...words: readonly string[]): Kind => ({
  refuses: ALL,
  malformed: [...words.map((each) => each.toUpperCase()), 'none-such', words.join(',')].filter(
    (each) => !words.includes(each),
  ),
  accepts: words,
});
const whole = (accepts: readonly string[], malformed: readonly string[] = []): Kind => ({
  refuses: ALL,
  malformed: ['1.5', '1e3', '0x10', '+1', '01', '-1', 'one', '99999999999999999999', ...malformed],
  accepts,
  shape: /^(0|[1-9]\d*)$/,
});
const HTTP_URL: Kind = {
  refuses: ALL,
  malformed: ['example.org', 'ftp://example.org', 'http://', '//example.org', 'javascript:alert(1)', 'http://a b/'],
  accepts: ['http://127.0.0.1:8080/', 'https://shop.example.org/health?x=1'],
};
const SENTENCE: Kind = {
  refuses: [...BROKEN, 'a line break', 'a carriage return'],
  malformed: [],
  accepts: ['Fixes the cart, at last: #12 {really}'],
};
const TEXT: Kind = { refuses: BROKEN, malformed: [], accepts: [] };

export const KINDS = {
  ALL,
  BROKEN,
  NAME,
  DURATION,
  BOOLEAN,
  VERSION,
  IMAGE,
  PATH,
  HTTP_URL,
  SENTENCE,
  TEXT,
  word,
  whole,
  but,
};
