import { addAbortSignal, type Readable } from 'node:stream';
import { readImageArchive } from './archive/image-archive.ts';
import type { ImageContents } from './policy/contents.ts';

/** As much of a Docker client (dockerode) as it takes to read an image. */
export interface DockerImages {
  getImage(reference: string): { get(): Promise<NodeJS.ReadableStream> };
}

/**
 * The contents of an image that the engine has, streamed as `docker save` gives them: nothing is written to disk here, and no more is
 * held in memory than a chunk. An abort ends the stream with the signal's reason.
 */
export async function openImage(docker: DockerImages, reference: string, signal: AbortSignal): Promise<ImageContents> {
  const stream = await docker.getImage(reference).get();
  signal.throwIfAborted();
  return readImageArchive(addAbortSignal(signal, stream as Readable));
}
