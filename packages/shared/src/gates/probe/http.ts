import http from 'node:http';
import https from 'node:https';
import { classify, explain, type Failure } from './failure.ts';

export interface ProbeOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds for the whole exchange, connection and body included; default 10,000. */
  readonly timeout?: number;
  /** Rejects with the signal's reason when aborted. */
  readonly signal?: AbortSignal;
  /** The header that names the version which answered; default `X-Version`. */
  readonly versionHeader?: string;
  /** Bytes of the body that are kept; default 1 MiB. The rest is not read. */
  readonly maxBody?: number;
  /** A PEM certificate authority to trust instead of the usual ones. */
  readonly ca?: string;
}

export interface Answer {
  /** 0 when there was no answer; `error` then says why. */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Value of the version header; empty without one. */
  readonly version: string;
  readonly body: string;
  /** The body was longer than `maxBody`. */
  readonly truncated: boolean;
  /** From the start of the connection to the end of the body. */
  readonly milliseconds: number;
  readonly failure: Failure | null;
  /** One sentence; empty when an answer came whole. */
  readonly error: string;
}

const DEFAULT_TIMEOUT = 10_000;
const MAX_BODY = 1_048_576;

class Overdue extends Error {
  readonly code = 'ETIMEDOUT';
}

/**
 * One request on a connection of its own. Redirects are not followed and nothing is repeated. Resolves whatever happens on the way; rejects
 * only when `signal` is aborted.
 */
export function ask(url: URL, options: ProbeOptions = {}): Promise<Answer> {
  const begun = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { signal, timeout = DEFAULT_TIMEOUT } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const request = (url.protocol === 'https:' ? https : http).request(url, {
    method: options.method ?? 'GET',
    headers: { 'user-agent': 'cd-actions-probe', accept: '*/*', ...options.headers },
    agent: false,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  const abort = (): void => {
    request.destroy();
    settled();
    reject(signal?.reason);
  };
  const timer = setTimeout(() => request.destroy(new Overdue(`no whole answer within ${timeout} ms`)), timeout);
  const settled = (): void => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  };
  const end = (answer: Partial<Answer>): void => {
    settled();
    resolve({ ...NOTHING, ...answer, milliseconds: performance.now() - begun });
  };
  signal?.addEventListener('abort', abort, { once: true });
  request.on('error', (error) => end(failed(classify(error), error, url)));
  request.on('response', (response) => collect(response, options, url, end));
  request.end();
  return promise;
}

const NOTHING: Answer = {
  status: 0,
  headers: {},
  version: '',
  body: '',
  truncated: false,
  milliseconds: 0,
  failure: null,
  error: '',
};

function failed(failure: Failure, error: unknown, url: URL): Partial<Answer> {
  return { failure, error: explain(failure, error, url.host) };
}

function collect(
  response: http.IncomingMessage,
  options: ProbeOptions,
  url: URL,
  end: (answer: Partial<Answer>) => void,
): void {
  const limit = options.maxBody ?? MAX_BODY;
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
  const version = headers[(options.versionHeader ?? 'X-Version').toLowerCase()] ?? '';
  const head = { status: response.statusCode ?? 0, headers, version };
  const chunks: Buffer[] = [];
  let size = 0;
  const body = (): string => Buffer.concat(chunks).subarray(0, limit).toString('utf8');
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= limit) return;
    response.removeAllListeners('error').on('error', () => {});
    response.destroy();
    end({ ...head, body: body(), truncated: true });
  });
  response.on('end', () => end({ ...head, body: body() }));
  response.on('error', (error) => {
    const failure = error instanceof Overdue ? 'timeout' : 'aborted';
    end({ ...head, body: body(), ...failed(failure, error, url) });
  });
}
