/**
 * Just enough HTTP/1.1 (RFC 9112) for a load generator: one request written whole, one answer read and measured, no pipelining. Node's own
 * client costs five times as much per request and its garbage delays the send times by milliseconds at 5,000 requests a second.
 */

/** The answer is not HTTP/1.1 as RFC 9112 has it. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export interface RequestSpec {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly close: boolean;
}

/** The bytes of a request. Header names and values must have been checked: they are written as they are. */
export function encodeRequest({ url, method, headers, body, close }: RequestSpec): Buffer {
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`];
  if (!given.has('host')) lines.push(`Host: ${url.host}`);
  if (!given.has('user-agent')) lines.push('User-Agent: cd-actions-perf-test');
  if (!given.has('accept')) lines.push('Accept: */*');
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body || /^(POST|PUT|PATCH)$/.test(method)) lines.push(`Content-Length: ${body?.length ?? 0}`);
  lines.push(`Connection: ${close ? 'close' : 'keep-alive'}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return body ? Buffer.concat([head, body]) : head;
}

const MAX_HEAD = 65_536;
const MAX_CHUNK_LINE = 4096;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

type State = 'head' | 'length' | 'chunk-line' | 'chunk-data' | 'chunk-end' | 'trailer' | 'until-close' | 'done';

/** Reads one answer from the pieces in which it arrives. Fields hold once `headRead`; the body is counted, not kept. */
export class ResponseReader {
  status = 0;
  version = '';
  /** The connection may carry another request. */
  keepAlive = false;
  bodyBytes = 0;
  #state: State = 'head';
  #held: Buffer | null = null;
  #left = 0;
  #line = '';
  readonly #headRequest: boolean;
  readonly #versionHeader: string;

  /** @param versionHeader in lower case. */
  constructor(headRequest: boolean, versionHeader: string) {
    this.#headRequest = headRequest;
    this.#versionHeader = versionHeader;
  }

  /** Takes bytes; true when the answer is complete. @throws ProtocolError */
  feed(data: Buffer): boolean {
    let rest: Buffer | null = data;
    while (rest !== null && rest.length > 0) {
      if (this.#state === 'done') {
        this.keepAlive = false;
        return true;
      }
      rest = this.#step(rest);
    }
    return this.#state === 'done';
  }

  /** The other side closed: true when that is how the answer ends. */
  finish(): boolean {
    if (this.#state === 'until-close') this.#state = 'done';
    return this.#state === 'done';
  }

  #step(data: Buffer): Buffer | null {
    switch (this.#state) {
      case 'head':
        return this.#readHead(data);
      case 'length':
        return this.#skip(data, 'done');
      case 'chunk-data':
        return this.#skip(data, 'chunk-end');
      case 'chunk-line':
      case 'chunk-end':
      case 'trailer':
        return this.#readLine(data);
      default:
        this.bodyBytes += data.length;
        return null;
    }
  }

  #readHead(data: Buffer): Buffer | null {
    const all = this.#held ? Buffer.concat([this.#held, data]) : data;
    const end = all.indexOf(END_OF_HEAD);
    if (end < 0) {
      if (all.length > MAX_HEAD) throw new ProtocolError('the head of the answer is longer than 64 KiB');
      if (!'HTTP/1.'.startsWith(all.toString('latin1', 0, Math.min(7, all.length))))
        throw new ProtocolError('no status line');
      this.#held = all;
      return null;
    }
    this.#held = null;
    this.#parseHead(all.toString('latin1', 0, end));
    return all.length > end + 4 ? all.subarray(end + 4) : null;
  }

  #parseHead(head: string): void {
    const status = /^HTTP\/1\.([01]) (\d{3})(?: |\r|$)/.exec(head);
    if (!status) throw new ProtocolError('no status line');
    this.status = Number(status[2]);
    if (this.status === 101) throw new ProtocolError('the protocol was switched unasked');
    if (this.status < 200) return; // an interim answer (RFC 9110, 15.2): the real one follows
    const fields = parseFields(head, this.#versionHeader);
    this.version = fields.version;
    this.keepAlive =
      status[1] === '1' ? !/\bclose\b/.test(fields.connection) : /\bkeep-alive\b/.test(fields.connection);
    this.#beginBody(fields.encoding, fields.length);
  }

  /** How the body ends: RFC 9112, 6.3. */
  #beginBody(encoding: string, length: string | null): void {
    if (this.#headRequest || this.status === 204 || this.status === 304) this.#state = 'done';
    else if (encoding !== '') {
      if (!/(^|,\s*)chunked$/.test(encoding)) this.#state = 'until-close';
      else this.#state = 'chunk-line';
      this.#line = '';
    } else if (length !== null) {
      if (!/^\d{1,15}$/.test(length)) throw new ProtocolError('Content-Length is not a number');
      this.#left = Number(length);
      this.#state = this.#left === 0 ? 'done' : 'length';
    } else this.#state = 'until-close';
    if (this.#state === 'until-close') this.keepAlive = false;
  }

  #skip(data: Buffer, then: State): Buffer | null {
    const taken = Math.min(this.#left, data.length);
    this.#left -= taken;
    this.bodyBytes += taken;
    if (this.#left > 0) return null;
    this.#state = then;
    this.#line = '';
    return taken < data.length ? data.subarray(taken) : null;
  }

  /** A chunk's size, the line end after its data, or a trailer. */
  #readLine(data: Buffer): Buffer | null {
    const end = data.indexOf(10);
    this.#line += data.toString('latin1', 0, end < 0 ? data.length : end + 1);
    if (this.#line.length > MAX_CHUNK_LINE) throw new ProtocolError('a chunk or trailer line is too long');
    if (end < 0) return null;
    const line = this.#line;
    this.#line = '';
    if (!line.endsWith('\r\n')) throw new ProtocolError('a line of the chunked body does not end in CRLF');
    if (this.#state === 'trailer') {
      if (line === '\r\n') this.#state = 'done';
    } else if (this.#state === 'chunk-line') this.#beginChunk(line);
    else if (line === '\r\n') this.#state = 'chunk-line';
    else throw new ProtocolError('a chunk is longer than its size');
    return end + 1 < data.length ? data.subarray(end + 1) : null;
  }

  #beginChunk(line: string): void {
    const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;|\r)/.exec(line);
    if (!size) throw new ProtocolError('a chunk has no size');
    this.#left = Number.parseInt(size[1] ?? '', 16);
    this.#state = this.#left === 0 ? 'trailer' : 'chunk-data';
  }
}

interface Fields {
  version: string;
  connection: string;
  encoding: string;
  length: string | null;
}

function parseFields(head: string, versionHeader: string): Fields {
  const fields: Fields = { version: '', connection: '', encoding: '', length: null };
  let at = head.indexOf('\r\n');
  while (at >= 0) {
    const begin = at + 2;
    at = head.indexOf('\r\n', begin);
    const end = at < 0 ? head.length : at;
    const colon = head.indexOf(':', begin);
    if (colon < 0 || colon >= end) throw new ProtocolError('a header line has no colon');
    const name = head.slice(begin, colon).toLowerCase();
    if (name === versionHeader) fields.version = head.slice(colon + 1, end).trim();
    if (name === 'connection') fields.connection = head.slice(colon + 1, end).toLowerCase();
    else if (name === 'transfer-encoding')
      fields.encoding = head
        .slice(colon + 1, end)
        .trim()
        .toLowerCase();
    else if (name === 'content-length') {
      const length = head.slice(colon + 1, end).trim();
      if (fields.length !== null && fields.length !== length) throw new ProtocolError('two different Content-Lengths');
      fields.length = length;
    }
  }
  return fields;
}
