/**
 * A streaming tar reader: POSIX ustar and pax (IEEE Std 1003.1-2017, "pax Interchange Format") and the GNU extensions that Docker
 * layers carry. Written here rather than taken from `tar-stream`, which pushes bodies (an archive within an archive then needs care
 * with back pressure) and buffers extended headers of any announced size.
 */
import { ByteReader, TruncatedError } from './bytes.ts';

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';

export interface TarEntry {
  /** As written in the archive. */
  readonly name: string;
  readonly type: EntryType;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly linkName: string;
  /** The body, or what has not been read of it. Valid until the next entry is asked for. */
  body(): AsyncIterable<Buffer>;
  /** The first `limit` bytes of what has not been read of the body. */
  read(limit: number): Promise<Buffer>;
}

/** The bytes are no tar archive, or one that no tool would write. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

const BLOCK = 512;
/** No sane name is longer; more is refused rather than held in memory. */
const MAX_EXTENDED_HEADER = 1_048_576;
/** PATH_MAX of Linux: no file can be made, or opened, by a longer name. */
const MAX_NAME = 4_096;
const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

/** The entries, one at a time; an unread body is skipped. The source is ended afterwards. Throws `TarError` or `TruncatedError`. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(source);
  try {
    yield* entries(reader);
  } finally {
    await reader.close();
  }
}

async function* entries(reader: ByteReader): AsyncGenerator<TarEntry> {
  let extended: Readonly<Record<string, string>> = {};
  for (let block = await reader.take(BLOCK); block !== null; block = await reader.take(BLOCK)) {
    if (block.every((byte) => byte === 0)) return;
    const header = parseHeader(block);
    if ('xgLK'.includes(header.flag)) {
      const text = await extendedHeader(reader, header.size);
      if (header.flag === 'x') extended = { ...extended, ...parsePax(text) };
      if (header.flag === 'L') extended = { ...extended, path: untilNul(text) };
      if (header.flag === 'K') extended = { ...extended, linkpath: untilNul(text) };
      continue;
    }
    if (header.flag === 'S') await skipSparseMaps(reader, block);
    const body = bodyOf(reader, bodySize(header, extended));
    yield entryOf(header, extended, body);
    await body.skip();
    extended = {};
  }
}

interface Header {
  readonly name: string;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly linkName: string;
}

/** Whether a block is a tar header by its checksum. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK) return false;
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : (block[i] ?? 0);
  return sum === number(block, 148, 8);
}

function parseHeader(block: Buffer): Header {
  if (!isTarHeader(block)) throw new TarError('a header of the archive is damaged, or it is no tar archive');
  const posix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = posix ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag: String.fromCharCode(block[156] ?? 0),
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    linkName: text(block, 157, 100),
  };
}

function entryOf(header: Header, extended: Readonly<Record<string, string>>, body: Body): TarEntry {
  const name = extended['path'] ?? header.name;
  if (name.length > MAX_NAME)
    throw new TarError(`an entry of the archive has a name of more than ${MAX_NAME} characters`);
  return {
    name,
    // Before POSIX a directory was a file whose name ends with a slash.
    type: header.flag === '\0' && header.name.endsWith('/') ? 'directory' : (TYPES[header.flag] ?? 'other'),
    mode: header.mode,
    uid: Number(extended['uid'] ?? header.uid),
    gid: Number(extended['gid'] ?? header.gid),
    size: bodySize(header, extended),
    linkName: extended['linkpath'] ?? header.linkName,
    body: body.stream,
    read: body.read,
  };
}

/** Links, devices and directories have no body, whatever their size field says. */
function bodySize(header: Header, extended: Readonly<Record<string, string>>): number {
  if ('123456'.includes(header.flag)) return 0;
  const size = extended['size'] === undefined ? header.size : Number(extended['size']);
  if (!Number.isSafeInteger(size) || size < 0) throw new TarError('an entry of the archive has an impossible size');
  return size;
}

interface Body {
  stream(): AsyncGenerator<Buffer>;
  read(limit: number): Promise<Buffer>;
  skip(): Promise<void>;
}

function bodyOf(reader: ByteReader, size: number): Body {
  let left = size;
  async function* stream(): AsyncGenerator<Buffer> {
    while (left > 0) {
      const piece = await reader.some(left);
      if (piece === null) throw new TruncatedError(`the archive ended ${left} bytes too soon`);
      left -= piece.length;
      yield piece;
    }
  }
  return {
    stream,
    async read(limit) {
      const wanted = Math.min(limit, left);
      const bytes = wanted === 0 ? Buffer.alloc(0) : await reader.take(wanted);
      if (bytes === null) throw new TruncatedError(`the archive ended ${left} bytes too soon`);
      left -= wanted;
      return bytes;
    },
    async skip() {
      for await (const _ of stream());
      const padding = (BLOCK - (size % BLOCK)) % BLOCK;
      if (padding > 0) await reader.take(padding);
    },
  };
}

async function extendedHeader(reader: ByteReader, size: number): Promise<Buffer> {
  if (size > MAX_EXTENDED_HEADER) throw new TarError('the archive has an extended header of more than 1 MiB');
  const body = bodyOf(reader, size);
  const bytes = await body.read(size);
  await body.skip();
  return bytes;
}

/** Records of the form `length key=value\n`, the length counting itself. */
function parsePax(bytes: Buffer): Readonly<Record<string, string>> {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = space < 0 ? Number.NaN : Number(bytes.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > bytes.length)
      throw new TarError('an extended header of the archive is damaged');
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals > 0) records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}

/** GNU sparse files keep further maps in blocks of their own, each saying at 504 whether another follows. */
async function skipSparseMaps(reader: ByteReader, header: Buffer): Promise<void> {
  let more = header[482] === 1;
  while (more) more = (await reader.take(BLOCK))?.[504] === 1;
}

function text(block: Buffer, offset: number, length: number): string {
  return untilNul(block.subarray(offset, offset + length));
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** Octal digits, or with the top bit set GNU's base 256. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if (first === 0x80 || first === 0xff) {
    let value = 0;
    for (let i = offset + 1; i < offset + length; i++) value = value * 256 + (block[i] ?? 0);
    return first === 0xff ? -1 : value;
  }
  const digits = block
    .toString('latin1', offset, offset + length)
    .replaceAll('\0', ' ')
    .trim();
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
