/**
 * Why a request got no usable answer. `refused`, `reset`, `timeout`, `dns`, `tls`, `unreachable`: the connection. `aborted`: an answer
 * began and broke off. `protocol`: not HTTP/1.1. `http-4xx`, `http-5xx`: answered so. `unsent`: no connection was free in time.
 * `local`: this machine ran out of ports, files or memory. `other`: anything else.
 */
export const FAILURES = [
  'refused',
  'reset',
  'timeout',
  'dns',
  'tls',
  'unreachable',
  'aborted',
  'protocol',
  'http-4xx',
  'http-5xx',
  'unsent',
  'local',
  'other',
] as const;
export type Failure = (typeof FAILURES)[number];

/** System and resolver error codes (errno(3), getaddrinfo(3)) by what they mean to a client. */
const BY_CODE: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ECONNABORTED: 'reset',
  ETIMEDOUT: 'timeout',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  EAI_NODATA: 'dns',
  EAI_NONAME: 'dns',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'local',
  EMFILE: 'local',
  ENFILE: 'local',
  ENOBUFS: 'local',
  ENOMEM: 'local',
};

/** OpenSSL's X.509 verification codes as Node names them (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERROR_IN_C|INVALID_|PATH_LENGTH|HOSTNAME_MISMATCH|OUT_OF_MEM$)/;

/** The code of a system, resolver or TLS error; empty when it has none. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** The class of an error that a socket or an HTTP client reported. */
export function classify(error: unknown): Failure {
  const code = codeOf(error);
  const known = BY_CODE[code];
  if (known) return known;
  if (TLS_CODE.test(code)) return 'tls';
  if (code.startsWith('HPE_')) return 'protocol';
  return 'other';
}

const CERTIFICATE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'the certificate is self-signed; give its CA to the runner by NODE_EXTRA_CA_CERTS or use a trusted one',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the certificate chain ends in a CA that is not trusted here; give it to the runner by NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the server does not send the intermediate certificate; serve the full chain',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the issuing CA is not trusted here or the chain is incomplete',
  CERT_HAS_EXPIRED: 'the certificate has expired; renew it',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet; look at the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate was issued for another host name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the port does not speak TLS; use an `http://` URL or the TLS port',
  EPROTO: 'the TLS handshake failed: no common protocol version or cipher, or the port does not speak TLS',
};

/** One sentence for people: what went wrong when asking `where`. */
export function explain(failure: Failure, error: unknown, where: string): string {
  const code = codeOf(error);
  const words = error instanceof Error && error.message !== '' ? error.message : String(error);
  switch (failure) {
    case 'refused':
      return `${where} refused the connection: nothing listens there`;
    case 'reset':
      return `${where} closed the connection without an answer`;
    case 'timeout':
      return `${where} did not answer in time`;
    case 'dns':
      return `the name of ${where} cannot be resolved (${code || words})`;
    case 'tls':
      return `TLS with ${where} failed: ${CERTIFICATE[code] ?? words} (${code})`;
    case 'unreachable':
      return `there is no route to ${where} (${code})`;
    case 'aborted':
      return `${where} broke off in the middle of its answer`;
    case 'protocol':
      return `${where} did not answer in HTTP/1.1 (${words})`;
    case 'local':
      return `this machine ran out of a resource while asking ${where} (${code})`;
    default:
      return `asking ${where} failed: ${words}`;
  }
}
