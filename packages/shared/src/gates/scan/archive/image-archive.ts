/** Reads an image as `docker save` writes it: the layout before Docker 25 (`<id>/layer.tar`) and the OCI image layout (`blobs/sha256/…`). */
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { ImageContents, ImageManifest, LayerEntry } from '../policy/contents.ts';
import { ByteReader } from './bytes.ts';
import { manifestOf } from './image-manifest.ts';
import { isTarHeader, readTar, type TarEntry } from './tar.ts';

const MAX_DOCUMENT = 8 * 1_048_576;
const MAX_DOCUMENTS = 64 * 1_048_576;
const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** The archive is none of an image, or not a whole one. */
export class ImageArchiveError extends Error {
  override readonly name = 'ImageArchiveError';
}

/** What has been seen of an archive so far. */
interface Seen {
  /** The JSON documents by their path in the archive. */
  readonly documents: Map<string, string>;
  /** The layers that were read whole. */
  readonly layers: Set<string>;
  /** Identical layers are stored once; the others are symbolic links to it. */
  readonly aliases: Map<string, string>;
}

/** The image in an archive that is read as it comes: memory does not grow with its size. */
export function readImageArchive(source: AsyncIterable<Uint8Array>): ImageContents {
  const seen: Seen = { documents: new Map(), layers: new Set(), aliases: new Map() };
  let ended = false;
  async function* entries(): AsyncGenerator<LayerEntry> {
    let bytes = 0;
    for await (const entry of readTar(source)) {
      const name = posix.normalize(entry.name);
      if (entry.type === 'symlink') {
        seen.aliases.set(name, posix.join(posix.dirname(name), entry.linkName));
      } else if (entry.type === 'file' && entry.size > 0) {
        const document = yield* content(name, entry, seen);
        bytes += document;
        if (bytes > MAX_DOCUMENTS) throw new ImageArchiveError('the archive holds more than 64 MiB of descriptions');
      }
    }
    ended = true;
  }
  return {
    entries: entries(),
    manifest(): ImageManifest {
      if (!ended) throw new ImageArchiveError('the image has not been read to its end');
      return manifestOf(seen.documents, seen.layers, seen.aliases);
    },
  };
}

/** Yields the entries of a layer; returns how many bytes were kept of a document. */
async function* content(name: string, entry: TarEntry, seen: Seen): AsyncGenerator<LayerEntry, number> {
  const reader = new ByteReader(entry.body());
  const head = await reader.peek(512);
  if (head.subarray(0, 2).equals(GZIP)) {
    yield* layer(name, inflated(reader.rest(), createGunzip()));
  } else if (head.subarray(0, 4).equals(ZSTD)) {
    yield* layer(name, inflated(reader.rest(), createZstdDecompress()));
  } else if (isTarHeader(head) || (head.length === 512 && head.every((byte) => byte === 0))) {
    yield* layer(name, reader.rest());
  } else if (entry.size <= MAX_DOCUMENT && /^\s*[[{]/.test(head.toString('latin1'))) {
    const bytes = (await reader.take(entry.size)) ?? Buffer.alloc(0);
    seen.documents.set(name, bytes.toString('utf8'));
    return bytes.length;
  } else {
    return 0;
  }
  seen.layers.add(name);
  return 0;
}

async function* layer(name: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<LayerEntry> {
  for await (const entry of readTar(source)) {
    const path = posix.normalize(`/${entry.name}`).replace(/^\/|\/$/g, '');
    if (path === '') continue;
    const { type, mode, uid, size } = entry;
    yield { layer: name, path, type, mode, uid, size, read: (limit) => entry.read(limit) };
  }
}

/** The decompressed stream; a compressed one that breaks off throws. */
async function* inflated(
  source: AsyncIterable<Uint8Array>,
  decompress: NodeJS.ReadWriteStream & AsyncIterable<Uint8Array> & { destroy(): void },
): AsyncGenerator<Uint8Array> {
  const feeding = pipeline(source, decompress);
  // Awaited below; without a handler a failure that comes first would end the process.
  feeding.catch(() => undefined);
  try {
    yield* decompress;
    await feeding;
  } finally {
    decompress.destroy();
  }
}
