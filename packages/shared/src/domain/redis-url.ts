import { type Grammar, Refused } from './grammar.ts';

/** Where the deployment registry answers, and how it is spoken to. Empty strings are "not given". */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  readonly tls: boolean;
  /** The server, the Sentinels, or some nodes of the cluster. At least one. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly username: string;
  readonly password: string;
  readonly database: number;
  /** The name under which the Sentinels know the primary. */
  readonly primary: string;
  readonly sentinelUsername: string;
  readonly sentinelPassword: string;
  /** Files in PEM form: who may have signed the server's certificate, and the client's own certificate with its key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const SCHEMES: Readonly<Record<string, Pick<RedisAddress, 'kind' | 'tls'>>> = {
  redis: { kind: 'single', tls: false },
  rediss: { kind: 'single', tls: true },
  'redis+sentinel': { kind: 'sentinel', tls: false },
  'rediss+sentinel': { kind: 'sentinel', tls: true },
  'redis+cluster': { kind: 'cluster', tls: false },
  'rediss+cluster': { kind: 'cluster', tls: true },
};

const FORM = /^([a-zA-Z+]+):\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const NODE = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::(\d{1,5}))?$/;
const PRIMARY = /^[A-Za-z0-9._-]{1,128}$/;
const TLS_FILES = ['ca', 'cert', 'key'] as const;
const SENTINEL_LOGIN = ['sentinel-username', 'sentinel-password'] as const;

/**
 * Reads a registry's URL: `redis[s]://[user:password@]host[:port][/database]`,
 * `redis[s]+sentinel://[user:password@]host[:port],.../primary[/database]`, `redis[s]+cluster://[user:password@]host[:port],...`.
 * @throws Refused saying what is wrong, without repeating any part that may be secret.
 */
export function parseRedisUrl(raw: string): RedisAddress {
  if (raw.length > 2048) throw new Refused('is longer than 2048 characters');
  const [, scheme = '', login, hosts = '', path = '', query = ''] = FORM.exec(raw) ?? [];
  const form = SCHEMES[scheme.toLowerCase()];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point
  if (!form || /[\u0000-\u0020\u007f]/.test(raw))
    throw new Refused(
      'is not such a URL (a `/`, `?`, `#` or `@` inside a password is written `%2F`, `%3F`, `%23`, `%40`)',
    );
  const nodes = hosts.split(',').map((host) => parseNode(host, form.kind === 'sentinel' ? 26_379 : 6379));
  if (form.kind === 'single' && nodes.length > 1)
    throw new Refused('names several hosts: begin it with `redis+sentinel://` or `redis+cluster://`');
  return { ...form, nodes, ...parseLogin(login), ...parsePath(form.kind, path), ...parseQuery(form, query) };
}

function parseNode(raw: string, fallback: number): { host: string; port: number } {
  const [, ipv6, name, digits] = NODE.exec(raw) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined)
    throw new Refused(raw === '' ? 'names no host' : 'has a host that is no host name or address');
  const port = digits === undefined ? fallback : Number(digits);
  if (port < 1 || port > 65_535) throw new Refused('has a port that is not between 1 and 65535');
  return { host, port };
}

function parseLogin(login: string | undefined): Pick<RedisAddress, 'username' | 'password'> {
  if (login === undefined) return { username: '', password: '' };
  const colon = login.indexOf(':');
  if (colon < 0 || colon === login.length - 1)
    throw new Refused('has a user without a password: write `user:password@`, or `:password@` without a user');
  return { username: decode(login.slice(0, colon)), password: decode(login.slice(colon + 1)) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refused('has a `%` that begins no percent-encoding (`%` itself is written `%25`)');
  }
}

function parsePath(kind: RedisAddress['kind'], path: string): Pick<RedisAddress, 'database' | 'primary'> {
  const parts = path.split('/').slice(1);
  const primary = kind === 'sentinel' ? (parts.shift() ?? '') : '';
  if (kind === 'sentinel' && !PRIMARY.test(primary))
    throw new Refused('does not name the primary: write `redis+sentinel://host:26379/mymaster`');
  const [database = '', ...more] = parts;
  if (more.length > 0 || !/^\d{0,4}$/.test(database)) throw new Refused('has a path that is no database number');
  if (kind === 'cluster' && Number(database) !== 0)
    throw new Refused('names a database: a cluster has only database 0');
  return { primary, database: Number(database) };
}

type Options = Pick<RedisAddress, 'ca' | 'cert' | 'key' | 'sentinelUsername' | 'sentinelPassword'>;

function parseQuery(form: Pick<RedisAddress, 'kind' | 'tls'>, query: string): Options {
  const allowed: readonly string[] = [
    ...(form.tls ? TLS_FILES : []),
    ...(form.kind === 'sentinel' ? SENTINEL_LOGIN : []),
  ];
  const given = new Map<string, string>();
  for (const pair of query.split('&').filter((each) => each !== '')) {
    const [name = '', ...value] = pair.split('=');
    if (!allowed.includes(name)) {
      const choice = allowed.length === 0 ? 'this form takes none' : `allowed here: ${allowed.join(', ')}`;
      throw new Refused(`has an option after \`?\` that is not known (${choice})`);
    }
    given.set(name, decode(value.join('=')));
  }
  const file = (name: (typeof TLS_FILES)[number]): string => {
    const path = given.get(name) ?? '';
    if (path !== '' && !path.startsWith('/')) throw new Refused(`has a \`${name}\` that is no absolute path`);
    return path;
  };
  const [ca, cert, key] = [file('ca'), file('cert'), file('key')];
  if ((cert === '') !== (key === '')) throw new Refused('has one of `cert` and `key` without the other');
  const login = { sentinelUsername: given.get('sentinel-username'), sentinelPassword: given.get('sentinel-password') };
  return {
    ca,
    cert,
    key,
    sentinelUsername: login.sentinelUsername ?? '',
    sentinelPassword: login.sentinelPassword ?? '',
  };
}

/** The URL of a deployment registry, kept as it was given. */
export const redisUrl: Grammar<string> = {
  allowed:
    '`redis://127.0.0.1:6379`, `rediss://user:password@host:6380/0?ca=/path/ca.pem`, `redis+sentinel://host:26379,host:26379/mymaster` or `redis+cluster://host:6379,host:6379`',
  parse(raw) {
    parseRedisUrl(raw);
    return raw;
  },
};

/** What the log must mask of a registry's URL, well formed or not: passwords as written and as decoded. */
export function redisSecrets(raw: string): readonly string[] {
  const login = /^[^/]*\/\/(.*)@/.exec(raw)?.[1] ?? '';
  const password = login.includes(':') ? login.slice(login.indexOf(':') + 1) : login;
  const sentinel = /[?&]sentinel-password=([^&#]*)/.exec(raw)?.[1] ?? '';
  const decoded = [password, sentinel].map((secret) => {
    try {
      return decodeURIComponent(secret);
    } catch {
      return secret;
    }
  });
  return [...new Set([password, sentinel, ...decoded])].filter((secret) => secret !== '');
}

/** How messages name the registry: its hosts and ports, never its login. */
export function redisName(address: RedisAddress): string {
  const nodes = address.nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(', ');
  if (address.kind === 'sentinel') return `Redis "${address.primary}" behind the Sentinels ${nodes}`;
  return address.kind === 'cluster' ? `the Redis Cluster at ${nodes}` : `Redis at ${nodes}`;
}
