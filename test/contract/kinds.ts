import { type Danger, HOSTILE } from './hostile.ts';

/** What an input must do with what it is given. Decided by what the input is for, not by how its parser is written. */
export interface Kind {
  /** Dangers that are refused as the whole value, and inside an otherwise right one where `around` says how. */
  readonly refuses: readonly Danger[];
  /** Wrong in the way that is particular to this kind. */
  readonly malformed: readonly string[];
  /** Right: a parser that refuses everything does not pass. */
  readonly accepts: readonly string[];
  /** An otherwise right value around a danger. */
  readonly around?: (danger: string) => string;
  /** Inputs that have to be given along with it. */
  readonly beside?: Readonly<Record<string, string>>;
  /** Whatever is accepted matches this: the whole value, or each item of a list. */
  readonly shape?: RegExp;
}

export const ALL = Object.keys(HOSTILE) as Danger[];
/** Free text: what would corrupt a terminal, a log or a C string is refused, the rest is the user's own. */
export const BROKEN: readonly Danger[] = ['one megabyte', 'NUL', 'an escape sequence'];
export const ONE_LINE: readonly Danger[] = [...BROKEN, 'a line break', 'a carriage return'];

export const strict = (kind: Omit<Kind, 'refuses'>): Kind => ({ refuses: ALL, ...kind });
export const inside = (danger: string): string => `a${danger}b`;

export const name = strict({
  malformed: ['-shop', 'shop-', 'Shop', 'shop_1', 'shop.1', 'a'.repeat(41), 'sh/op'],
  accepts: ['shop', 's', '7', 'shop-2', 'a'.repeat(40)],
  around: inside,
  shape: /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
});
export const version = strict({
  malformed: ['.1', '-1', '1.0+build', 'a/b', 'a:b', 'a@b', 'v'.repeat(129)],
  accepts: ['1.4.2', '3f2a9c1', 'v2', 'RC_1', 'v'.repeat(128)],
  around: inside,
  shape: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/,
});
export const container = strict({
  malformed: ['.a', '-a', '_a', 'a/b', 'a:b', 'a'.repeat(129)],
  accepts: ['cd-nginx', 'web_1.x'],
  around: inside,
  shape: /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
});
export const image = strict({
  malformed: [
    'ghcr.io/Acme/shop',
    'shop:',
    'shop@sha256:abc',
    'shop:tag:tag',
    '/shop',
    'shop/',
    'https://ghcr.io/shop',
  ],
  accepts: ['shop', 'ghcr.io/acme/shop:1.4.2', 'localhost:5000/shop', `shop@sha256:${'a'.repeat(64)}`],
  around: (danger) => `shop${danger}:1`,
  shape: /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/,
});
export const absolutePath = strict({
  malformed: ['etc/nginx', '/a b', '/a;b', '/a/../b', '/..'],
  accepts: ['/etc/nginx', '/srv/app-1/cert.pem'],
  around: (danger) => `/etc/${danger}/nginx`,
  shape: /^\/[A-Za-z0-9/._@+-]*$/,
});
/** A file of the user's own, in the checkout or in the runner's temporary directory. */
export const file: Kind = {
  refuses: ['one megabyte', 'a line break', 'a carriage return', 'path traversal', 'NUL', 'an escape sequence'],
  malformed: ['../x', 'a/../../x', 'a/../b'],
  accepts: ['deploy/app.env', 'report.json'],
  around: (danger) => `deploy/${danger}/file`,
};
export const program = strict({
  malformed: ['nginx -g x', './nginx', '/usr/bin/nginx;id', 'a|b'],
  accepts: ['nginx', '/usr/sbin/nginx'],
  around: (danger) => `/usr/sbin/${danger}nginx`,
  shape: /^(\/[A-Za-z0-9/._@+-]*|[A-Za-z0-9_][A-Za-z0-9._+-]*)$/,
});
export const duration = strict({
  malformed: ['5', '5 s', '-1s', '1d', 's', '1e3ms', '0x1s', '1,5s', '99999999999s', 'Infinity', '1s1s'],
  accepts: ['1s', '5s', '1500ms'],
  shape: /^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/,
});
export const boolean = strict({
  malformed: ['yes', 'no', 'on', 'off', '1', '0', 'tRue', 'y', 'null'],
  accepts: ['true', 'True', 'TRUE', 'false', 'False', 'FALSE'],
  shape: /^(true|True|TRUE|false|False|FALSE)$/,
});
export const size = strict({
  malformed: ['0', '-1m', '1.5g', '1G', '1mb', '1 m', 'm', '999999999999g', '1e9'],
  accepts: ['256m', '1g', '67108864'],
  shape: /^\d{1,12}[bkmg]?$/,
});
export const whole = (accepts: readonly string[], malformed: readonly string[] = []): Kind =>
  strict({
    malformed: ['1.5', '1e3', '0x10', '+1', '01', 'one', '99999999999999999999', ...malformed],
    accepts,
    shape: /^-?(0|[1-9]\d*)$/,
  });
export const port = whole(['1', '8080', '65535'], ['0', '-1', '65536']);
const otherCase = (text: string): string => (text === text.toLowerCase() ? text.toUpperCase() : text.toLowerCase());
export const word = (...words: readonly string[]): Kind =>
  strict({ malformed: ['none-such', otherCase(words[0] ?? ''), `${words[0]}x`], accepts: words });
export const decimal = (accepts: readonly string[], malformed: readonly string[]): Kind =>
  strict({ malformed: ['1e3', '0x10', 'one', '.5', '1,5', 'NaN', 'Infinity', ...malformed], accepts });
export const httpUrl = strict({
  malformed: [
    'example.org',
    'ftp://example.org',
    'http://',
    '//example.org',
    'javascript:alert(1)',
    'http://a b/',
    'file:///etc/passwd',
  ],
  accepts: ['http://127.0.0.1:8080/', 'https://shop.example.org/health'],
});
export const redisUrl = strict({
  malformed: [
    'localhost:6379',
    'http://redis',
    'redis://',
    'redis://redis/abc',
    'redis://:100%@redis',
    'redis://redis:99999',
  ],
  accepts: ['redis://127.0.0.1:6379', 'rediss://default:p%40ss@redis.example.org:6380/3'],
});
export const hosts = strict({
  malformed: [
    '/var/run/docker.sock',
    'http://h:2375',
    'tcp://h',
    'tcp://h:0',
    'ssh://-oProxyCommand',
    'unix:///a/../b',
    'ssh://h/path',
  ],
  accepts: ['unix:///var/run/docker.sock', 'ssh://deploy@shop-1:22', '# none\nunix:///var/run/docker.sock'],
  around: (danger) => `ssh://deploy@shop${danger}`,
});
/** `NAME=value` lines: the name is strict, the value the user's own. */
export const assignments: Kind = {
  refuses: ALL,
  malformed: ['=x', '1A=x', 'A-B=x', 'A B=x', 'A', 'A=1\nB', 'А=1'],
  accepts: ['A=1', 'A=1\nB=x=y, z\n# C=1', 'A=', 'A={"b": "$c"}'],
};
export const pairs: Kind = {
  refuses: ALL,
  malformed: ['=x', 'a b=x', 'a', 'a=1\nb', '\u0430=1'],
  accepts: ['com.example.team=shop', 'a=1\nb=x=y', 'a='],
};
export const command: Kind = {
  refuses: BROKEN,
  malformed: ['a "b', "a 'b"],
  accepts: ['node server.js', `sh -c 'echo "$A"; exit 0'`],
};
export const sentence: Kind = {
  refuses: ONE_LINE,
  malformed: [],
  accepts: ['Fixes the cart, at last: #12 {really} – für alle'],
};
export const text: Kind = { refuses: BROKEN, malformed: [], accepts: ['{"a": "b"}', 'a b; c'] };
export const repository = strict({
  malformed: ['ghcr.io/Acme/shop', 'shop:1', `shop@sha256:${'a'.repeat(64)}`, '/shop', 'shop/', 'https://ghcr.io/shop'],
  accepts: ['shop', 'ghcr.io/acme/shop', 'localhost:5000/team/shop'],
  around: (danger) => `ghcr.io/acme${danger}/shop`,
  shape: /^[A-Za-z0-9][A-Za-z0-9._/:-]*$/,
});
/** A path in the checkout that may go up and down within it. */
export const sourcePath: Kind = {
  ...file,
  malformed: ['../x', 'a/../../x', '..'],
  accepts: ['.', 'services/shop', 'Dockerfile'],
};
export const cache = strict({
  malformed: ['--load', '-a', 'type=local dest=x'],
  accepts: ['ghcr.io/acme/shop:cache', 'type=gha,mode=max', 'type=local,src=/tmp/cache'],
});
export const pathPrefix = strict({
  malformed: ['api', '/a b', '/a;', '/a/../b', '/a{'],
  accepts: ['/', '/api', '/shop/api/'],
  around: (danger) => `/api${danger}`,
  shape: /^\/[A-Za-z0-9/._~-]*$/,
});
export const serverName = strict({
  malformed: ['shop example', 'shop;', 'shop_{}', '*.*.org', 'http://shop', '-shop.org'],
  accepts: ['_', 'shop.example.org', '*.example.org', 'a.org\nb.org'],
  around: (danger) => `shop${danger}.org`,
});
export const listen = strict({
  malformed: ['0', '65536', '80 ssl', '1.2.3.4', '80;', 'unix:/x'],
  accepts: ['80', '8080', '127.0.0.1:8080'],
});
