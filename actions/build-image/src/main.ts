import type { BuildRequest, Clock, ImageBuilder, Log } from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import type { BuildInputs } from './inputs.ts';

/** The commit that is built; what is unknown is empty or null. */
export interface Commit {
  /** The whole SHA. */
  readonly sha: string;
  /** Seconds since the epoch. */
  readonly time: number | null;
  /** Where the source is, for people. */
  readonly source: string;
}

export interface BuildDeps {
  readonly commit: () => Promise<Commit>;
  /** The absolute paths of context and Dockerfile. Throws `UserError` when one is absent or outside the workspace. */
  readonly paths: (context: string, file: string) => Promise<{ context: string; dockerfile: string }>;
  readonly builder: () => Promise<ImageBuilder>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface BuildResult {
  /** By digest once pushed, else `name:tag`. */
  readonly image: string;
  readonly imageId: string;
  readonly digest: string;
  readonly version: string;
  readonly tags: readonly string[];
  /** Bytes; null when the image is in the registry alone. */
  readonly size: number | null;
  readonly builder: 'buildx' | 'engine';
  readonly platforms: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly revision: string;
  readonly durationMs: number;
}

/** Builds the image of one commit, labels it with where it comes from, and pushes it if asked to. */
export async function main(inputs: BuildInputs, deps: BuildDeps): Promise<BuildResult> {
  const started = deps.clock.now();
  const commit = await deps.commit();
  const version = inputs.version === '' ? versionOf(commit) : inputs.version;
  const paths = await deps.paths(inputs.context, inputs.file);
  const request = requestOf(inputs, paths, version, commit, deps.clock);
  const builder = await deps.builder();
  deps.log.info(`Building ${request.references[0]} with ${builder.description}.`);
  const built = await builder.build(request, deps.log, deps.signal);
  return {
    image: built.digest === '' ? `${inputs.image}:${version}` : `${inputs.image}@${built.digest}`,
    imageId: built.imageId,
    digest: built.digest,
    version,
    tags: request.references,
    size: built.size,
    builder: built.builder,
    platforms: inputs.platforms,
    labels: request.labels,
    revision: commit.sha,
    durationMs: deps.clock.now() - started,
  };
}

function versionOf(commit: Commit): string {
  if (commit.sha !== '') return commit.sha.slice(0, 7);
  throw new UserError(
    'Input `version` is not given, and there is no commit to name the version after.',
    'Give `version`, or check the repository out first (actions/checkout).',
  );
}

function requestOf(
  inputs: BuildInputs,
  paths: { context: string; dockerfile: string },
  version: string,
  commit: Commit,
  clock: Clock,
): BuildRequest {
  const further = inputs.tags.map((tag) => (tag.includes(':') ? tag : `${inputs.image}:${tag}`));
  return {
    ...paths,
    references: [...new Set([`${inputs.image}:${version}`, ...further])],
    target: inputs.target,
    buildArgs: inputs['build-args'],
    labels: { ...originLabels(version, commit, clock), ...inputs.labels },
    secrets: inputs.secrets,
    platforms: inputs.platforms,
    cacheFrom: inputs['cache-from'],
    cacheTo: inputs['cache-to'],
    noCache: inputs['no-cache'],
    pull: inputs.pull,
    push: inputs.push,
    sourceDate: commit.time,
  };
}

/**
 * Where the image comes from (https://github.com/opencontainers/image-spec/blob/main/annotations.md). The time is the commit's when it is
 * known, so that the same commit gives the same labels.
 */
function originLabels(version: string, commit: Commit, clock: Clock): Record<string, string> {
  const created = new Date(commit.time === null ? clock.now() : commit.time * 1000);
  return {
    'org.opencontainers.image.created': created.toISOString().replace('.000Z', 'Z'),
    ...(commit.sha === '' ? {} : { 'org.opencontainers.image.revision': commit.sha }),
    ...(commit.source === '' ? {} : { 'org.opencontainers.image.source': commit.source }),
    'org.opencontainers.image.version': version,
  };
}
