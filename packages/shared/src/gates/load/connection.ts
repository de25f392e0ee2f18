import net from 'node:net';
import tls from 'node:tls';
import { classify, type Failure } from '../probe/failure.ts';
import { ProtocolError, ResponseReader } from './wire.ts';

/** Where connections go. */
export interface Endpoint {
  readonly url: URL;
  /** Connect to these addresses instead of resolving the URL's host each time. */
  readonly addresses: readonly { readonly address: string; readonly family: number }[] | null;
  /** A PEM certificate authority to trust besides nothing else; null: those that Node trusts. */
  readonly ca: string | null;
  /** In lower case. */
  readonly versionHeader: string;
  readonly now: () => number;
}

/** How one request ended. */
export interface Outcome {
  readonly status: number;
  readonly version: string;
  readonly bytes: number;
  /** Null when an answer came whole, whatever its status. */
  readonly failure: Failure | null;
  readonly error: unknown;
  readonly reused: boolean;
  /** The connection can carry the next request. */
  readonly reusable: boolean;
}

class ClosedEarly extends Error {
  override readonly name = 'ClosedEarly';
}

/**
 * One connection that carries one request at a time and never repeats one: what a reset loses is reported as lost. `send` may be called
 * at once, before the connection stands.
 */
export class Connection {
  readonly #socket: net.Socket;
  readonly #endpoint: Endpoint;
  readonly #idleClosed: (connection: Connection) => void;
  #reader: ResponseReader | null = null;
  #done: ((outcome: Outcome) => void) | null = null;
  #timer: NodeJS.Timeout | undefined;
  #carried = 0;
  #closed = false;

  /**
   * @param connected told the milliseconds that the connection took to stand.
   * @param idleClosed told when the other side closes while no request is under way.
   */
  constructor(endpoint: Endpoint, connected: (ms: number) => void, idleClosed: (connection: Connection) => void) {
    this.#endpoint = endpoint;
    this.#idleClosed = idleClosed;
    const begun = endpoint.now();
    this.#socket = open(endpoint, () => connected(endpoint.now() - begun));
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (data) => this.#onData(data));
    this.#socket.on('error', (error) => this.#onClose(error));
    this.#socket.on('end', () => this.#onClose(null));
    this.#socket.on('close', () => this.#onClose(null));
  }

  /** Sends a request; `done` is called exactly once, unless `destroy` is called first. `timeout` in milliseconds, from now. */
  send(request: Buffer, headRequest: boolean, timeout: number, done: (outcome: Outcome) => void): void {
    this.#reader = new ResponseReader(headRequest, this.#endpoint.versionHeader);
    this.#done = done;
    this.#timer = setTimeout(() => this.#fail('timeout', new Error(`no answer within ${timeout} ms`)), timeout);
    this.#socket.write(request);
  }

  /** Closes at once; a request under way is forgotten, not reported. */
  destroy(): void {
    this.#closed = true;
    this.#done = null;
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    const reader = this.#reader;
    try {
      if (!reader)
        this.#onClose(null); // words without a question, such as a 408 before closing
      else if (reader.feed(data)) this.#complete(reader);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fail('protocol', error);
    }
  }

  #onClose(error: Error | null): void {
    if (this.#closed) return;
    const reader = this.#reader;
    if (!reader) {
      this.destroy();
      this.#idleClosed(this);
    } else if (!error && reader.finish()) this.#complete(reader);
    else if (reader.status > 0) this.#fail('aborted', error ?? new ClosedEarly('the answer broke off'));
    else if (error) this.#fail(classify(error), error);
    else this.#fail('reset', new ClosedEarly('the connection was closed without an answer'));
  }

  #complete(reader: ResponseReader): void {
    if (!reader.keepAlive) this.#socket.destroy();
    this.#closed = !reader.keepAlive;
    this.#report(reader, null, null, reader.keepAlive);
  }

  #fail(failure: Failure, error: unknown): void {
    const reader = this.#reader;
    this.#closed = true;
    this.#socket.destroy();
    if (reader) this.#report(reader, failure, error, false);
  }

  #report(reader: ResponseReader, failure: Failure | null, error: unknown, reusable: boolean): void {
    clearTimeout(this.#timer);
    const done = this.#done;
    const reused = this.#carried > 0;
    this.#carried += 1;
    this.#reader = null;
    this.#done = null;
    const { status, version, bodyBytes } = reader;
    done?.({ status, version, bytes: bodyBytes, failure, error, reused, reusable });
  }
}

function open({ url, addresses, ca }: Endpoint, connected: () => void): net.Socket {
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const where = { host, port, ...(addresses ? { lookup: pinned(addresses) } : {}) };
  if (!secure) return net.connect(where, connected);
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  return tls.connect({ ...where, ...name, ALPNProtocols: ['http/1.1'], ...(ca === null ? {} : { ca }) }, connected);
}

/** A resolver that answers what was found and checked before. */
function pinned(addresses: readonly { address: string; family: number }[]): net.LookupFunction {
  return (_host, options, callback) => {
    const first = addresses[0];
    if (options.all) callback(null, [...addresses]);
    else callback(first ? null : new Error('no address'), first?.address ?? '', first?.family);
  };
}
