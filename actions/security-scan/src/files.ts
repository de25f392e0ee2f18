import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';
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
