/** Long-lived answers across switches: server-sent events, and downloads that take their time. */
import { type ClientRequest, get, type IncomingMessage } from 'node:http';

export type StreamKind = 'events' | 'download';

/** One long-lived answer. Times in milliseconds of `performance.now`. */
export interface Stream {
  readonly kind: StreamKind;
  version: string;
  /** When its first byte came; 0 before. */
  opened: number;
  /** When it ended; 0 while it is open. */
  closed: number;
  /** A download: all its bytes came. Events: the server ended the stream in its own way. */
  whole: boolean;
  error: string;
  /** The client closed it itself. */
  left: boolean;
}

/** Opens streams and watches them; nothing is opened again. */
export class Streams {
  readonly all: Stream[] = [];
  readonly #url: string;
  readonly #requests = new Set<ClientRequest>();

  constructor(url: string) {
    this.#url = url;
  }

  /** Resolves once the first bytes are there. `headers` may choose a version. */
  open(kind: StreamKind, headers: Readonly<Record<string, string>> = {}, seconds = 20): Promise<Stream> {
    const path = kind === 'events' ? '/events?interval=200' : `/download?seconds=${seconds}`;
    const stream: Stream = { kind, version: '', opened: 0, closed: 0, whole: false, error: '', left: false };
    this.all.push(stream);
    return new Promise((resolve, reject) => {
      const request = get(new URL(path, this.#url), { headers, agent: false }, (response) => {
        this.#watch(stream, response);
        response.once('data', () => resolve(stream));
      });
      this.#requests.add(request);
      request.on('error', (error) => {
        end(stream, error.message);
        reject(error);
      });
      request.on('close', () => this.#requests.delete(request));
    });
  }

  openOf(version: string): readonly Stream[] {
    return this.all.filter((stream) => stream.version === version && stream.closed === 0);
  }

  /** Leaves those that are open. They count as neither whole nor cut. */
  close(): void {
    for (const stream of this.all) if (stream.closed === 0) stream.left = true;
    for (const request of this.#requests) request.destroy();
  }

  #watch(stream: Stream, response: IncomingMessage): void {
    stream.version = String(response.headers['x-version'] ?? '');
    stream.opened = performance.now();
    let left = Number(response.headers['content-length'] ?? 0);
    response.on('data', (data: Buffer) => {
      left -= data.length;
    });
    response.on('error', (error) => end(stream, error.message));
    response.on('end', () => {
      stream.whole = stream.kind === 'events' || left === 0;
      end(stream, stream.whole ? '' : 'ended early');
    });
  }
}

function end(stream: Stream, error: string): void {
  if (stream.closed !== 0) return;
  stream.closed = performance.now();
  stream.error = error;
}
