import { access, constants, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';

/**
 * Makes the directory of a file of the checkout, and sees that the file can be written, without touching it. What is returned writes it.
 * @throws UserError when it cannot be written.
 */
export async function workspaceFile(workspace: string, name: string): Promise<(contents: string) => Promise<string>> {
  const path = join(workspace, name);
  try {
    await mkdir(dirname(path), { recursive: true });
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory()) throw new Error('it is a directory');
    await access(found ? path : dirname(path), constants.W_OK);
  } catch (error) {
    const remedy = 'Give another path, or make room for it.';
    throw new UserError(`\`result-file\` ${name} cannot be written: ${messageOf(error)}.`, remedy, { cause: error });
  }
  return async (contents) => {
    await writeFile(path, contents);
    return path;
  };
}
