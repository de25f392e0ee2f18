import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';
import type { Sbom } from '@cd-actions/shared/gates/scan/report';
import type { Deps } from './main.ts';

/** No file that a user writes for this action is longer. Bytes. */
const MAX_READ = 4 * 1_048_576;

/**
 * The files of the checkout that the action reads and writes.
 * @param fresh writes a temporary file by name and returns its path.
 */
export function filesOf(
  workspace: string,
  fresh: (name: string, text: string) => Promise<string>,
): Pick<Deps, 'read' | 'write'> {
  return {
    async read(path) {
      const bytes = await readFile(resolve(workspace, path));
      if (bytes.length > MAX_READ) throw new Error(`it is longer than ${MAX_READ} bytes`);
      return bytes.toString('utf8');
    },
    async write(path, fallback, text) {
      if (path === '') return fresh(fallback, text);
      const file = resolve(workspace, path);
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, text);
      } catch (error) {
        const why = `${path} cannot be written: ${messageOf(error)}.`;
        throw new UserError(why, 'Give another path, or none for a temporary file.', { cause: error });
      }
      return file;
    },
  };
}

/** A directory for what is large and of no use afterwards. */
export async function temporary(temp: string): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(temp, 'cd-actions-security-scan-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Keeps the first bill of materials that a scanner brings. */
export function sbomKeeper(write: (text: string) => Promise<string>): {
  keep(text: string): Promise<void>;
  kept(): Sbom | null;
} {
  let kept: Sbom | null = null;
  return {
    async keep(text) {
      kept ??= { file: await write(text), digest: createHash('sha256').update(text).digest('hex') };
    },
    kept: () => kept,
  };
}
