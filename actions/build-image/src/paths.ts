import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { UserError } from '@cd-actions/shared/domain/errors';

/**
 * Where context and Dockerfile are, symbolic links followed. `file` is looked for in the context, then in the workspace.
 * @throws UserError when one is absent, of the wrong kind, or outside the workspace.
 */
export async function buildPaths(
  workspace: string,
  context: string,
  file: string,
): Promise<{ context: string; dockerfile: string }> {
  const root = await realpath(workspace);
  const directory = await inside(root, resolve(root, context), 'context');
  if (directory === null || !(await stat(directory)).isDirectory())
    throw new UserError(
      `Input \`context\`: ${JSON.stringify(context)} is not a directory.`,
      'Name one in the workspace.',
    );
  const candidates = isAbsolute(file) ? [file] : [join(directory, file), join(root, file)];
  for (const candidate of candidates) {
    const found = await inside(root, candidate, 'file');
    if (found === null) continue;
    if (!(await stat(found)).isFile())
      throw new UserError(`Input \`file\`: ${JSON.stringify(file)} is not a file.`, 'Name a Dockerfile.');
    return { context: directory, dockerfile: found };
  }
  throw new UserError(
    `Input \`file\`: there is no ${JSON.stringify(file)}, neither in the context ${JSON.stringify(context)} nor in the workspace.`,
    'Name the Dockerfile by its path from the context or from the workspace.',
  );
}

/** The real path; null when there is nothing. */
async function inside(root: string, path: string, input: string): Promise<string | null> {
  const real = await realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  const way = relative(root, real ?? path);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
    throw new UserError(
      `Input \`${input}\`: ${JSON.stringify(path)} is outside the workspace.`,
      'Only what is in the workspace can be built. Copy it there, or leave the symbolic link out.',
    );
  return real;
}
