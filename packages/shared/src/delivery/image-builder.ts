import type { Log } from './ports.ts';

/** One image to build. All paths are absolute and were found inside the workspace. */
export interface BuildRequest {
  /** `repository:tag`, at least one; the first is the one that is deployed. */
  readonly references: readonly string[];
  readonly context: string;
  readonly dockerfile: string;
  /** The stage to build; empty is the last. */
  readonly target: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Values by id, for `RUN --mount=type=secret`. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly push: boolean;
  /** Seconds since the epoch, for reproducible timestamps; null when unknown. */
  readonly sourceDate: number | null;
}

export interface BuiltImage {
  readonly builder: 'buildx' | 'engine';
  /** `sha256:...` on the engine; empty for an image of several platforms, which is in the registry alone. */
  readonly imageId: string;
  /** The digest that the registry confirmed, `sha256:...`; empty when it was not pushed. */
  readonly digest: string;
  /** Bytes, unpacked; null when the engine does not hold the image. */
  readonly size: number | null;
}

/** Builds and pushes images. */
export interface ImageBuilder {
  /** Why this one was chosen, for the log. */
  readonly description: string;
  /**
   * Builds and, if asked to, pushes. Logs each step under a heading of its own.
   * @throws UserError naming the step that failed, its last lines as the cause.
   */
  build(request: BuildRequest, log: Log, signal: AbortSignal): Promise<BuiltImage>;
}
