import { posix } from 'node:path';
import type { HistoryStep, ImageConfig, ImageManifest } from '../policy/contents.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Finds the one image that an archive describes: by `manifest.json` (every `docker save`), else by `index.json` (OCI image layout).
 * @throws Error when the description is absent or malformed, or names a layer that was not in the archive: judging the rest would be a false pass.
 */
export function manifestOf(
  documents: ReadonlyMap<string, string>,
  seen: ReadonlySet<string>,
  aliases: ReadonlyMap<string, string>,
): ImageManifest {
  const described = fromDockerManifest(documents) ?? fromOciIndex(documents, seen);
  if (!described) throw new Error('the archive describes no image (neither manifest.json nor index.json)');
  const layers = described.layers.map((name) => resolve(posix.normalize(name), aliases));
  const missing = layers.find((name) => !seen.has(name));
  if (missing !== undefined) throw new Error(`the archive lacks the layer ${missing}, or it is in an unknown format`);
  return { config: configOf(object(document(documents, described.config))), layers };
}

interface Described {
  readonly config: string;
  readonly layers: readonly string[];
}

function resolve(name: string, aliases: ReadonlyMap<string, string>): string {
  const target = aliases.get(name);
  return target === undefined ? name : (aliases.get(target) ?? target);
}

function document(documents: ReadonlyMap<string, string>, name: string): unknown {
  const text = documents.get(posix.normalize(name));
  if (text === undefined) throw new Error(`the archive lacks ${name}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} in the archive is not JSON`, { cause: error });
  }
}

function fromDockerManifest(documents: ReadonlyMap<string, string>): Described | undefined {
  if (!documents.has('manifest.json')) return undefined;
  const images = list(document(documents, 'manifest.json'));
  if (images.length !== 1) throw new Error(`the archive holds ${images.length} images, not one`);
  const image = object(images[0]);
  return { config: string(image['Config']), layers: strings(image['Layers']) };
}

/** An index may nest others and name platforms whose blobs are elsewhere: the first image that is here whole is taken. */
function fromOciIndex(
  documents: ReadonlyMap<string, string>,
  seen: ReadonlySet<string>,
  name = 'index.json',
  depth = 0,
): Described | undefined {
  if (!documents.has(name) || depth > 4) return undefined;
  const index = object(document(documents, name));
  for (const each of list(index['manifests'])) {
    const descriptor = object(each);
    if (object(descriptor['platform'])['os'] === 'unknown') continue; // an attestation
    const blob = blobPath(string(descriptor['digest']));
    if (!documents.has(blob)) continue;
    const manifest = object(document(documents, blob));
    const layers = list(manifest['layers']).map((layer) => blobPath(string(object(layer)['digest'])));
    if (layers.length > 0 && layers.every((layer) => seen.has(layer)))
      return { config: blobPath(string(object(manifest['config'])['digest'])), layers };
    const nested = fromOciIndex(documents, seen, blob, depth + 1);
    if (nested) return nested;
  }
  return undefined;
}

const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

function configOf(image: Json): ImageConfig {
  const config = object(image['config']);
  return {
    created: string(image['created']),
    user: string(config['User']),
    env: strings(config['Env']),
    entrypoint: strings(config['Entrypoint']),
    command: strings(config['Cmd']),
    exposedPorts: Object.keys(object(config['ExposedPorts'])),
    healthcheck: strings(object(config['Healthcheck'])['Test']),
    labels: Object.fromEntries(Object.entries(object(config['Labels'])).map(([key, value]) => [key, string(value)])),
    history: list(image['history']).map((step): HistoryStep => {
      const { created_by: createdBy, empty_layer: empty } = object(step);
      return { createdBy: string(createdBy), empty: empty === true };
    }),
  };
}

// What is absent or of another type reads as empty: the rules then see an image that does not say.
const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const string = (value: unknown): string => (typeof value === 'string' ? value : '');
const strings = (value: unknown): readonly string[] => list(value).filter((each) => typeof each === 'string');
