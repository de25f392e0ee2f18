import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';
import type { DockerImages } from '@cd-actions/shared/gates/scan/image-source';
import type { Scanner } from '@cd-actions/shared/gates/scan/scanner';
import { containerTool, type DockerContainers } from '@cd-actions/shared/gates/scan/tools/container';
import { environmentOf } from '@cd-actions/shared/gates/scan/tools/environment';
import { locateTool } from '@cd-actions/shared/gates/scan/tools/locate';
import type { Tool } from '@cd-actions/shared/gates/scan/tools/tool';
import type { Inputs } from './inputs.ts';

export interface ToolDeps {
  /** The Docker engine, connected to when it is first asked for. */
  readonly docker: () => Promise<DockerImages & DockerContainers>;
  /** Whether the Docker host has an image; fetches it when told to. */
  readonly hasImage: (image: string, fetch: boolean) => Promise<boolean>;
  /** The text of a file of the checkout. */
  readonly read: (path: string) => Promise<string>;
  /** Takes the bill of materials that a scanner wrote. */
  readonly onSbom: (text: string) => Promise<void>;
  /** What the names of the volumes begin with in which the databases of tools in containers are kept. */
  readonly cachePrefix: string;
  /** A directory for large temporary files. */
  readonly temp: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
}

/** How long a scan that was given up may take to clean up behind it. Milliseconds. */
const CLEANING = 20_000;

/**
 * The scanners that are programs of others. Each is looked for when it is to scan: what is absent is the result of that scan.
 * `settled` waits, within bounds, for scans that were given up to remove what they made.
 */
export function toolScanners(
  inputs: Inputs,
  deps: ToolDeps,
): { readonly scanners: readonly Scanner[]; readonly settled: () => Promise<void> } {
  const { offline } = inputs;
  const begun: Promise<unknown>[] = [];
  const lazily = (name: string, make: () => Promise<Scanner>): Scanner => ({
    name,
    version: '',
    scan(target, signal) {
      const work = make().then((scanner) => scanner.scan(target, signal));
      begun.push(work);
      return work;
    },
  });
  const settled = async (): Promise<void> => {
    const limit = new AbortController();
    const late = delay(CLEANING, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(begun), late]);
    limit.abort();
  };
  const scanners = [
    lazily('trivy', async () => {
      const { trivyScanner } = await import('@cd-actions/shared/gates/scan/trivy/scanner');
      return trivyScanner(await locate('trivy', inputs, deps), { offline, now: deps.now, onSbom: deps.onSbom });
    }),
    lazily('grype', async () => {
      const { grypeScanner } = await import('@cd-actions/shared/gates/scan/grype/scanner');
      return grypeScanner(await locate('grype', inputs, deps), { offline, onSbom: deps.onSbom });
    }),
    lazily('zap', async () => {
      const { zapScanner } = await import('@cd-actions/shared/gates/scan/zap/scanner');
      const openapi = await openapiOf(inputs.openapi, deps);
      const { 'zap-scan': scan, timeout } = inputs;
      return zapScanner(await locate('zap', inputs, deps), { scan, openapi, timeout, reach });
    }),
  ];
  return { scanners, settled };
}

type ToolName = 'trivy' | 'grype' | 'zap';

function locate(tool: ToolName, inputs: Inputs, deps: ToolDeps): Promise<Tool> {
  const { offline, scanners } = inputs;
  const program = tool === 'zap' ? 'zap.sh' : tool;
  return locateTool({
    tool,
    program,
    named: scanners.includes(tool),
    offline,
    image: inputs[`${tool}-image`],
    temp: deps.temp,
    path: deps.env['PATH'] ?? '',
    env: environmentOf(tool, deps.env),
    hasImage: deps.hasImage,
    inContainer: async (image) =>
      containerTool({
        docker: await deps.docker(),
        image,
        program: tool === 'zap' ? program : '',
        cacheVolume: `${deps.cachePrefix}-${tool}`,
        env: {},
        hostNetwork: tool === 'zap',
      }),
  });
}

async function openapiOf(source: string, { read }: ToolDeps): Promise<{ text: string } | { url: string } | null> {
  if (source === '') return null;
  if (/^https?:/.test(source)) return { url: source };
  const text = await read(source).catch((error: unknown) => {
    throw new UserError(
      `The OpenAPI file ${source} cannot be read: ${messageOf(error)}.`,
      'Check the input `openapi`.',
    );
  });
  return { text };
}

/** Any answer will do; a redirection is not followed. */
async function reach(url: string, signal: AbortSignal): Promise<void> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(15_000)]);
  const response = await fetch(url, { redirect: 'manual', signal: within }).catch((error: Error) => {
    throw error.cause instanceof Error ? error.cause : error;
  });
  await response.body?.cancel();
}

/** An image as a file of `docker save`; what was written of it is left to whoever removes the directory. */
export async function exportImage(
  docker: DockerImages,
  id: string,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const file = join(directory, 'image.tar');
  const stream = await docker.getImage(id).get();
  try {
    await pipeline(stream as Readable, createWriteStream(file), { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`the image cannot be exported to ${directory}: ${messageOf(error)}`, { cause: error });
  }
  return file;
}
