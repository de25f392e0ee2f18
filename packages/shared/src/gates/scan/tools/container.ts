import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { readTar } from '../archive/tar.ts';
import { framesOf } from './frames.ts';
import type { Ended } from './program.ts';
import { MAX_REPORT, type Places, ReportTooLarge, type Tool, type ToolSession } from './tool.ts';

interface Container {
  readonly id: string;
  start(): Promise<unknown>;
  wait(): Promise<{ StatusCode: number }>;
  logs(options: { stdout: boolean; stderr: boolean; follow: false; tail: number }): Promise<Buffer>;
  putArchive(archive: NodeJS.ReadableStream, options: { path: string }): Promise<unknown>;
  getArchive(options: { path: string }): Promise<NodeJS.ReadableStream>;
  remove(options: { force: boolean; v: boolean }): Promise<unknown>;
}

/** As much of a Docker client (dockerode) as it takes to run a tool in containers. */
export interface DockerContainers {
  createVolume(options: object): Promise<{ readonly Name?: string; readonly name?: string }>;
  getVolume(name: string): { remove(): Promise<unknown> };
  createContainer(options: object): Promise<Container>;
}

export interface ContainerToolOptions {
  readonly docker: DockerContainers;
  /** The tool's image, present on the host. */
  readonly image: string;
  /** The program in it; the image's entrypoint when empty. */
  readonly program: string;
  /** The named volume in which its database outlives the run. */
  readonly cacheVolume: string;
  readonly env: Readonly<Record<string, string>>;
  /** The host's own network: what it is to look at may listen on its loopback. */
  readonly hostNetwork: boolean;
}

const LABEL = { 'cd-actions.scan': 'tool' };
const WORK = '/cd-scan';
const CACHE = '/cd-scan-cache';
const MOST_LINES = 2_000;

/**
 * A tool in containers of its image. Files go in and out over the engine's own interface, never by a mount of this machine's
 * directories, so that the engine may be anywhere; the engine's socket is not handed in. Whatever is made is removed at the end.
 */
export function containerTool(options: ContainerToolOptions): Tool {
  return {
    origin: options.image,
    async open(input, files, signal) {
      const { docker } = options;
      const volume = await docker.createVolume({ Labels: LABEL });
      const name = volume.Name ?? volume.name ?? '';
      const session = new ContainerSession(options, name, input !== '');
      try {
        await session.fill(input, files, signal);
      } catch (error) {
        await session.close();
        throw error;
      }
      return session;
    },
  };
}

class ContainerSession implements ToolSession {
  readonly places: Places;
  readonly #options: ContainerToolOptions;
  readonly #volume: string;
  /** Never started: it stands for the volume when files go in and out. */
  #holder: Container | null = null;

  constructor(options: ContainerToolOptions, volume: string, hasInput: boolean) {
    this.#options = options;
    this.#volume = volume;
    this.places = { input: hasInput ? `${WORK}/input` : '', work: WORK, cache: CACHE };
  }

  async fill(input: string, files: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
    this.#holder = await this.#create(['--version'], {});
    const archive = pack();
    const filling = fillArchive(archive, input, files, signal);
    // Awaited below; without a handler a failure that comes first would end the process.
    filling.catch((error: Error) => archive.destroy(error));
    await Promise.all([filling, this.#holder.putArchive(addAbortSignal(signal, archive as Readable), { path: '/' })]);
  }

  async run(args: readonly string[], signal: AbortSignal, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    signal.throwIfAborted();
    const container = await this.#create(args, env);
    try {
      await container.start();
      const { StatusCode } = await untilAborted(container.wait(), signal);
      const output = framesOf(await container.logs({ stdout: true, stderr: true, follow: false, tail: MOST_LINES }));
      return { code: StatusCode, signal: '', ...output };
    } finally {
      await container.remove({ force: true, v: true });
    }
  }

  async write(name: string, text: string): Promise<void> {
    const archive = pack();
    archive.entry({ name: `${WORK.slice(1)}/${name}`, mode: 0o644 }, text);
    archive.finalize();
    await this.#holder?.putArchive(archive, { path: '/' });
  }

  async read(name: string): Promise<string | null> {
    const stream = await this.#holder
      ?.getArchive({ path: `${WORK}/${name}` })
      .catch((error: { statusCode?: number }) => {
        if (error.statusCode === 404) return null;
        throw error;
      });
    if (!stream) return null;
    for await (const entry of readTar(stream as Readable)) {
      if (entry.type !== 'file') continue;
      if (entry.size > MAX_REPORT) throw new ReportTooLarge(name);
      return (await entry.read(MAX_REPORT)).toString('utf8');
    }
    return null;
  }

  async close(): Promise<void> {
    await this.#holder?.remove({ force: true, v: true }).catch(() => undefined);
    await this.#options.docker
      .getVolume(this.#volume)
      .remove()
      .catch(() => undefined);
  }

  #create(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Container> {
    const { docker, image, program, cacheVolume, hostNetwork } = this.#options;
    return docker.createContainer({
      Image: image,
      ...(program === '' ? {} : { Entrypoint: [program] }),
      Cmd: [...args],
      Env: Object.entries({ ...this.#options.env, ...env }).map(([key, value]) => `${key}=${value}`),
      WorkingDir: WORK,
      Labels: LABEL,
      HostConfig: {
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        ...(hostNetwork ? { NetworkMode: 'host' } : {}),
        Mounts: [
          { Type: 'volume', Source: this.#volume, Target: WORK },
          { Type: 'volume', Source: cacheVolume, Target: CACHE },
        ],
      },
    });
  }
}

/** The directory is everybody's to write: some images run as a user of their own. */
async function fillArchive(
  archive: Pack,
  input: string,
  files: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const directory = WORK.slice(1);
  archive.entry({ name: `${directory}/`, type: 'directory', mode: 0o777 });
  for (const [name, text] of Object.entries(files)) archive.entry({ name: `${directory}/${name}`, mode: 0o644 }, text);
  if (input !== '') {
    const { size } = await stat(input);
    await pipeline(createReadStream(input), archive.entry({ name: `${directory}/input`, size, mode: 0o644 }), {
      signal,
    });
  }
  archive.finalize();
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
