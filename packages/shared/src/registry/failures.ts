import { messageOf, UnavailableError, UserError } from '../domain/errors.ts';

/** A failure that soon may be over: the server starts, loads its data, elects a primary, or the connection was cut. */
export function isPassing(error: unknown): boolean {
  return PASSING.test(textOf(error));
}

/** A failure that makes the connection useless: the next attempt needs another. */
export function needsNewConnection(error: unknown): boolean {
  return /^READONLY|Command timed out/.test(messageOf(error));
}

const PASSING =
  /ECONNREFUSED|ECONNRESET|EPIPE|EAI_AGAIN|Connection is closed|isn't writeable|isn't ready|read ECONN|^LOADING|^MASTERDOWN|^CLUSTERDOWN|^TRYAGAIN|All sentinels are unreachable|None of startup nodes/;

/** Code and message of an error and of what caused it. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, lastNodeError } = error as Error & { code?: unknown; lastNodeError?: unknown };
  const inner = lastNodeError === undefined ? '' : ` ${textOf(lastNodeError)}`;
  return `${error.message}${typeof code === 'string' && !error.message.includes(code) ? ` ${code}` : ''}${inner}`;
}

type Rule = readonly [pattern: RegExp, kind: 'user' | 'away', what: string, remedy: string];

const STARTED = 'Start it, or correct `redis-url`.';
const TRUST =
  'Give the certificate of the authority that signed it: `?ca=/path/ca.pem` in `redis-url`, or `NODE_EXTRA_CA_CERTS` in the `env` of the step.';

/** First match wins. */
const RULES: readonly Rule[] = [
  [/WRONGPASS|invalid (username-)?password/, 'user', 'refuses the login', 'Correct user and password in `redis-url`.'],
  [/NOAUTH|Authentication required/, 'user', 'wants a password', 'Put it into `redis-url`: `redis://:password@host`.'],
  [
    /NOPERM|can't run this command|can't access/,
    'user',
    'does not let this user do what the registry needs',
    'Allow the user `~cd:* +@read +@write +@scripting +@connection +time +info +cluster` (ACL SETUSER).',
  ],
  [
    /DB index is out of range|SELECT is not allowed/,
    'user',
    'has no such database',
    'Correct the number at the end of `redis-url`.',
  ],
  [
    /READONLY/,
    'user',
    'is a read-only replica',
    'Give the address of the primary, or the `redis+sentinel://` form, which finds it.',
  ],
  [
    /^(MOVED|ASK|CROSSSLOT) |cluster support disabled/,
    'user',
    'does not fit the form of `redis-url`',
    'A cluster is given as `redis+cluster://host:6379`, a single server as `redis://host:6379`.',
  ],
  [/LOADING/, 'away', 'is still loading its data', 'Try again when it has.'],
  [
    /^OOM|used memory > 'maxmemory'/,
    'away',
    'is out of memory and refuses writes',
    'Raise its `maxmemory`. Nothing was written.',
  ],
  [
    /^MISCONF/,
    'away',
    'cannot save to disk and refuses writes',
    "Look at its log and its disk's free space. Nothing was written.",
  ],
  [
    /^NOREPLICAS|^MASTERDOWN|CLUSTERDOWN/,
    'away',
    'has no primary or too few replicas at the moment',
    'Look at its replication state.',
  ],
  [/All sentinels are unreachable|None of startup nodes|Failed to refresh slots/, 'away', 'cannot be reached', STARTED],
  [
    /^ERR unknown command|^WRONGTYPE/,
    'user',
    'does not answer as a registry of this suite',
    'It needs Redis 6 or newer, and the keys `cd:*` to itself.',
  ],
  [
    /ENOTFOUND|EAI_AGAIN/,
    'away',
    'cannot be found: its host name has no address',
    'Correct the host in `redis-url`, or the name server.',
  ],
  [/ECONNREFUSED/, 'away', 'refuses the connection', STARTED],
  [
    /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Command timed out/,
    'away',
    'does not answer',
    'Look whether it runs, whether a firewall is between, and whether it has no TLS (`redis://`) or has it (`rediss://`).',
  ],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID/,
    'user',
    'shows a certificate for another name',
    'Give the host by the name in its certificate.',
  ],
  [/CERT_HAS_EXPIRED/, 'user', 'shows a certificate that has expired', 'Renew it.'],
  [
    /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|self-signed|unable to (verify|get)/i,
    'user',
    'shows a certificate that is not trusted',
    TRUST,
  ],
  [
    /certificate required|handshake failure|CERTIFICATE_REQUIRED/i,
    'user',
    'wants a client certificate',
    'Give `?cert=/path/cert.pem&key=/path/key.pem` in `redis-url`.',
  ],
  [
    /wrong version number|packet length too long|ERR_SSL/i,
    'user',
    'does not speak TLS as asked',
    'Begin `redis-url` with `redis://` when it has no TLS.',
  ],
  [
    /Protocol error|Unknown RESP type/,
    'user',
    'does not speak the protocol of Redis',
    'Correct host and port in `redis-url`.',
  ],
  [
    /ECONNRESET|EPIPE|Connection is closed|isn't writeable|isn't ready/,
    'away',
    'closes the connection',
    'Look at its log. If it wants TLS, begin `redis-url` with `rediss://`; a client certificate is given as `?cert=/path&key=/path`.',
  ],
];

/** What happened to the registry called `name`, in words for people, with a remedy. `secrets` are struck out. */
export function explain(error: unknown, name: string, secrets: readonly string[]): Error {
  if (error instanceof UserError || error instanceof UnavailableError) return error;
  const found = RULES.find(([pattern]) => pattern.test(textOf(error)));
  if (!found && !(error instanceof Error && error.name === 'ReplyError')) return error as Error;
  const [, kind, what, remedy] = found ?? [/./, 'away', 'answers with an error', 'Look at its log.'];
  const detail = secrets.reduce((text, secret) => text.replaceAll(secret, '***'), textOf(error));
  const message = `${name.charAt(0).toUpperCase()}${name.slice(1)} ${what} (${detail.slice(0, 300)}).`;
  const cause = { cause: new Error(detail) };
  return kind === 'user'
    ? new UserError(message, remedy, cause)
    : new UnavailableError('Redis', `${message} ${remedy}`, cause);
}
