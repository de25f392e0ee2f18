/** Bytes ended before what was announced had come. */
export class TruncatedError extends Error {
  override readonly name = 'TruncatedError';
}

const EMPTY = Buffer.alloc(0);

/** Reads a stream of chunks by counts of bytes, holding one chunk at a time. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = EMPTY;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly `count` bytes; null at the end of the stream. Throws `TruncatedError` when it ends in between. */
  async take(count: number): Promise<Buffer | null> {
    if (this.#chunk.length < count && !(await this.#fill(count))) {
      if (this.#chunk.length === 0) return null;
      throw new TruncatedError(`the stream ended ${count - this.#chunk.length} bytes too soon`);
    }
    const taken = this.#chunk.subarray(0, count);
    this.#chunk = this.#chunk.subarray(count);
    return taken;
  }

  /** Up to `count` bytes without consuming them; fewer only at the end of the stream. */
  async peek(count: number): Promise<Buffer> {
    if (this.#chunk.length < count) await this.#fill(count);
    return this.#chunk.subarray(0, count);
  }

  /** The next piece, of at most `count` bytes; null at the end of the stream. */
  async some(count: number): Promise<Buffer | null> {
    if (this.#chunk.length === 0 && !(await this.#fill(1))) return null;
    const piece = this.#chunk.subarray(0, count);
    this.#chunk = this.#chunk.subarray(piece.length);
    return piece;
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Buffer> {
    for (let piece = await this.some(Infinity); piece !== null; piece = await this.some(Infinity)) yield piece;
  }

  /** Ends the stream, read to its end or not: an open one would keep its connection and so the process. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  /** Whether `count` bytes are at hand. */
  async #fill(count: number): Promise<boolean> {
    const chunks = this.#chunk.length === 0 ? [] : [this.#chunk];
    let length = this.#chunk.length;
    while (length < count) {
      const next = await this.#source.next();
      if (next.done) break;
      chunks.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
      length += next.value.byteLength;
    }
    this.#chunk = chunks.length === 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks, length);
    return length >= count;
  }
}
