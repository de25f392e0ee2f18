import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What the set-up found on this machine, for tests on the real thing. */
export interface Parts {
  /** The path of the engine's socket, such as `/var/run/docker.sock`. */
  readonly docker: { readonly socket: string } | null;
  /** The path of `redis-server`; a test starts its own. */
  readonly redis: { readonly server: string } | null;
  /** The machine's own Nginx. */
  readonly nginx: { readonly binary: string; readonly version: string } | null;
  /** Tags of images in the engine. */
  readonly images: {
    /** Nginx >= 1.27.4 with njs and curl. */
    readonly nginx: string;
    /** test/fixtures/sample-app. */
    readonly app: string;
    /** Node 24 on a slim Debian. */
    readonly node: string;
    /** Null where it could neither be pulled nor built. */
    readonly redis: string | null;
  } | null;
  /** The path of Docker's `docker-registry`; a test starts its own. */
  readonly registry: { readonly binary: string } | null;
  /** Paths of the scanners of others. */
  readonly scanners: { readonly trivy: string | null; readonly grype: string | null };
  /** Runs workflows on this machine (https://github.com/nektos/act). */
  readonly act: { readonly binary: string } | null;
  readonly actionlint: { readonly binary: string } | null;
  readonly zizmor: { readonly binary: string } | null;
  /** Why a part is not there, by part. */
  readonly skipped: Readonly<Record<string, string>>;
}

const NONE: Parts = {
  docker: null,
  redis: null,
  nginx: null,
  images: null,
  registry: null,
  scanners: { trivy: null, grype: null },
  act: null,
  actionlint: null,
  zizmor: null,
  skipped: {},
};

function read(): Parts {
  const file = join(resolve(import.meta.dirname, '../..'), '.cache/parts.json');
  try {
    return { ...NONE, ...JSON.parse(readFileSync(file, 'utf8')) };
  } catch (cause) {
    throw new Error('What this machine has is not known yet: run `node scripts/setup.mjs` first.', { cause });
  }
}

/** Read once, from what `scripts/setup.mjs` wrote. */
export const parts: Parts = read();
