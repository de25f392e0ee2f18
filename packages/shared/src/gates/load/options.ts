import type { Endpoint } from './connection.ts';
import type { LoadResult, Sample } from './result.ts';
import { encodeRequest } from './wire.ts';

/** What is asked of the target, and how. */
export interface RequestOptions {
  /** `http://` or `https://`; a fragment is ignored. */
  readonly url: string;
  /** Default `GET`. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The header that names the version which answered; default `X-Version`. */
  readonly versionHeader?: string;
  /** Milliseconds for one request, from its sending; default 10,000. */
  readonly timeout?: number;
  /** Connect to these addresses instead of resolving the URL's host. */
  readonly addresses?: readonly { readonly address: string; readonly family: number }[];
  /** A PEM certificate authority to trust instead of the usual ones. */
  readonly ca?: string;
  /** Ends the run at once: connections are cut and the result rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** A monotonic clock in milliseconds; default `performance.now`. */
  readonly now?: () => number;
  /** Told of each request as it ends; must be quick. */
  readonly onSample?: (sample: Sample) => void;
}

/** A load test under way. */
export interface LoadRun {
  /** Settles when the plan is done, `stop` was called, or the signal aborted (then it rejects). */
  readonly result: Promise<LoadResult>;
  /** Sends nothing new, waits for what is under way (at most `timeout`), then gives the result. */
  stop(): Promise<LoadResult>;
  /** How it stands, warm-up left out. */
  progress(): {
    readonly requests: number;
    readonly failed: number;
    readonly versions: Readonly<Record<string, number>>;
  };
}

export const DEFAULT_TIMEOUT = 10_000;
export const DEFAULT_VERSION_HEADER = 'X-Version';

/** The request and the endpoint of a run. */
export interface Prepared {
  readonly endpoint: Endpoint;
  readonly request: Buffer;
  /** The same, asking the server to close the connection. */
  readonly closing: Buffer;
  readonly headRequest: boolean;
  readonly timeout: number;
  readonly now: () => number;
  /** Without the query, which may hold a token. */
  readonly shownUrl: string;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** @throws TypeError for a URL, method or header that cannot be written to the wire. */
export function prepare(options: RequestOptions): Prepared {
  const url = new URL(options.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError('only http and https can be loaded');
  const method = options.method ?? 'GET';
  const headers = options.headers ?? {};
  if (!TOKEN.test(method)) throw new TypeError('the method is not a token');
  for (const [name, value] of Object.entries(headers)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a control character would end the header
    if (!TOKEN.test(name) || /[\u0000-\u0008\u000a-\u001f\u007f]/.test(value))
      throw new TypeError(`header ${JSON.stringify(name)} cannot be sent`);
  }
  const body = options.body === undefined ? null : Buffer.from(options.body as string);
  const now = options.now ?? (() => performance.now());
  return {
    endpoint: {
      url,
      addresses: options.addresses ?? null,
      ca: options.ca ?? null,
      versionHeader: (options.versionHeader ?? DEFAULT_VERSION_HEADER).toLowerCase(),
      now,
    },
    request: encodeRequest({ url, method, headers, body, close: false }),
    closing: encodeRequest({ url, method, headers, body, close: true }),
    headRequest: method === 'HEAD',
    timeout: options.timeout ?? DEFAULT_TIMEOUT,
    now,
    shownUrl: `${url.origin}${url.pathname}`,
  };
}
