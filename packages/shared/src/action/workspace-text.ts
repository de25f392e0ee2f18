import { mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { messageOf, UserError } from '../domain/errors.ts';
import { MAX_VALUE_LENGTH, text } from '../domain/grammar.ts';

const document = text('text', { multiline: true });

/**
 * The text of a file of the checkout that an input names, of 64 KiB at most. `path` was admitted by `workspacePath`.
 * @throws UserError naming the input when the file is absent, leads out of the checkout by a link, is too large or is no text.
 */
export async function workspaceText(workspace: string, input: string, path: string): Promise<string> {
  try {
    const root = await realpath(workspace);
    const file = await realpath(resolve(root, path));
    const way = relative(root, file);
    if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) throw new Error('it lies outside the checkout');
    const found = await stat(file);
    if (!found.isFile()) throw new Error('it is not a file');
    if (found.size > MAX_VALUE_LENGTH) throw new Error(`it has ${found.size} bytes; ${MAX_VALUE_LENGTH} are allowed`);
    const contents = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
    if (contents.trim() === '') throw new Error('it is empty');
    return document.parse(contents.replaceAll('\r\n', '\n'));
  } catch (cause) {
    throw new UserError(
      `Input \`${input}\`: ${JSON.stringify(path)} cannot be used: ${messageOf(cause)}.`,
      'Name a text file in the checkout.',
      { cause },
    );
  }
}

/**
 * Writes a file of the checkout that an input names, with its directories; returns its path.
 * @throws UserError naming the input when it cannot be written.
 */
export async function saveText(workspace: string, input: string, path: string, contents: string): Promise<string> {
  const file = resolve(workspace, path);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, contents);
    return file;
  } catch (cause) {
    throw new UserError(
      `Input \`${input}\`: ${JSON.stringify(path)} cannot be written: ${messageOf(cause)}.`,
      'Give another path.',
      { cause },
    );
  }
}
