import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A fresh directory for the files of one step. The returned function writes one, by relative name, and returns its path. */
export async function jobFiles(
  temp: string,
  step: string,
): Promise<(name: string, contents: string) => Promise<string>> {
  const directory = await mkdtemp(join(temp, `cd-actions-${step}-`));
  return async (name, contents) => {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
    return path;
  };
}
