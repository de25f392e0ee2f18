import type Dockerode from 'dockerode';
import type { BuildRequest, Log } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import { packContext } from './context.ts';
import type { RegistryAuth } from './docker-config.ts';
import { buildFailure } from './failure.ts';
import { dockerFault } from './faults.ts';
import { StepLog } from './steps.ts';
import { jsonLines } from './text.ts';

/** The parameters of `POST /build` (https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageBuild). */
export function classicOptions(
  request: BuildRequest,
  dockerfile: string,
  credentials: readonly RegistryAuth[],
): Dockerode.ImageBuildOptions {
  return {
    dockerfile,
    // The API takes the parameter once per tag; its type knows one only.
    t: request.references as unknown as string,
    buildargs: { ...request.buildArgs },
    labels: { ...request.labels },
    ...(request.target === '' ? {} : { target: request.target }),
    ...(request.cacheFrom.length > 0 ? { cachefrom: request.cacheFrom.map(cacheReference) as unknown as string } : {}),
    nocache: request.noCache,
    pull: request.pull,
    rm: true,
    forcerm: true,
    version: '1',
    registryconfig: Object.fromEntries(
      credentials.map(({ serveraddress, username, password }) => [serveraddress, { username, password }]),
    ),
  };
}

/** The image of a cache source; this builder knows no other kind. @throws UserError for another kind. */
export function cacheReference(source: string): string {
  if (!source.includes('=')) return source;
  const fields = new Map(source.split(',').map((field) => field.split('=') as [string, string]));
  const reference = fields.get('ref');
  if (fields.get('type') === 'registry' && reference) return reference;
  throw new UserError(
    `Input \`cache-from\`: ${JSON.stringify(source)} takes BuildKit, and the engine's own builder is used.`,
    'Name an image, or install Docker Buildx (docker/setup-buildx-action).',
  );
}

/** Builds through the engine's own builder. Returns the image's id, empty when the engine did not tell it. */
export async function buildClassic(
  docker: Dockerode,
  request: BuildRequest,
  credentials: readonly RegistryAuth[],
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  const { tar, dockerfile, count } = await packContext(request.context, request.dockerfile);
  const steps = new StepLog(log);
  const at = { step: 0 };
  let imageId = '';
  try {
    const options = { ...classicOptions(request, dockerfile, credentials), abortSignal: signal };
    const stream = await docker.buildImage(tar, options);
    log.info(`Sent the build context: ${count.files} files, ${(count.bytes / 1024).toFixed(1)} KiB.`);
    const abort = (): void =>
      void (stream as NodeJS.ReadableStream & { destroy(error: Error): void }).destroy(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    for await (const event of jsonLines(stream as AsyncIterable<Buffer>)) imageId = follow(steps, at, event) ?? imageId;
    signal.removeEventListener('abort', abort);
  } catch (error) {
    signal.throwIfAborted();
    throw dockerFault('local', 'build the image', error, 'Check the Dockerfile.');
  } finally {
    tar.destroy();
    await steps.finish();
  }
  if (steps.failed) throw buildFailure(steps.failed);
  return imageId;
}

interface Event {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progress?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
  readonly aux?: { readonly ID?: string };
}

/** Shows one event; gives the image's id when the event tells it. */
function follow(steps: StepLog, at: { step: number }, event: unknown): string | undefined {
  const { stream, status, id, progress, error, errorDetail, aux } = event as Event;
  const begins = /^Step \d+\/\d+ : /.test(stream ?? '');
  if (begins) {
    steps.end(String(at.step));
    at.step += 1;
    steps.begin(String(at.step), stream ?? '');
  } else if (stream && stream !== '\n') steps.add(String(at.step), stream);
  // Progress bars are drawn for terminals; what they end with is told by the status alone.
  else if (status && !progress) steps.add(String(at.step), `${id ? `${id}: ` : ''}${status}\n`);
  if (error || errorDetail) {
    steps.begin(String(at.step), 'Build');
    steps.end(String(at.step), (errorDetail?.message ?? error ?? '').trim());
  }
  return aux?.ID;
}
