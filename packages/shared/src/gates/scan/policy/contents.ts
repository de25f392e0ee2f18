import type { EntryType } from '../archive/tar.ts';

/** One entry of one layer, as it streams by. */
export interface LayerEntry {
  /** Names the layer; its position is known from `ImageManifest.layers` once all entries have been seen. */
  readonly layer: string;
  /** Inside the image, without leading or trailing slash. */
  readonly path: string;
  readonly type: EntryType;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  /** Bytes. */
  readonly size: number;
  /** The first `limit` bytes. Only valid until the next entry is asked for. */
  read(limit: number): Promise<Buffer>;
}

/** One step of the image's history, as the builder wrote it. */
export interface HistoryStep {
  readonly createdBy: string;
  /** The step made no layer. */
  readonly empty: boolean;
}

/** The part of the OCI image configuration that the rules look at (github.com/opencontainers/image-spec, config.md). */
export interface ImageConfig {
  /** ISO 8601; empty when not given. */
  readonly created: string;
  readonly user: string;
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** `8080/tcp`. */
  readonly exposedPorts: readonly string[];
  /** Docker's extension of the configuration; empty when there is none. */
  readonly healthcheck: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly history: readonly HistoryStep[];
}

export interface ImageManifest {
  readonly config: ImageConfig;
  /** The layers' names, the base first. */
  readonly layers: readonly string[];
}

/** An image, wherever it came from. It is read once, and never held whole. */
export interface ImageContents {
  /** Every entry of every layer, the layers in any order. */
  readonly entries: AsyncIterable<LayerEntry>;
  /** Known once `entries` has ended. Throws when what was read is no whole image. */
  manifest(): ImageManifest;
}
