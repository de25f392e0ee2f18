import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Headers, type Pack, pack as tarPack } from 'tar-stream';
import { messageOf, UserError } from '../domain/errors.ts';
import { type IgnoreRules, ignoreRules } from './ignore.ts';

/** A build context as the Engine API takes it. */
export interface BuildContext {
  readonly tar: Readable;
  /** The Dockerfile's path inside the tar. */
  readonly dockerfile: string;
  /** What was packed so far. */
  readonly count: { files: number; bytes: number };
}

interface Found {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly size: number;
  readonly mtime: Date;
}

/**
 * Packs the context as `docker build` does: what `<Dockerfile>.dockerignore` or `.dockerignore` leaves out stays out, the Dockerfile
 * always goes along, owners become root, names come sorted.
 * @throws UserError when the ignore file holds something that is no pattern.
 */
export async function packContext(context: string, dockerfile: string): Promise<BuildContext> {
  const ignoreText = await readIgnoreFile(context, dockerfile);
  const rules = rulesOf(ignoreText.file, ignoreText.text);
  const inside = relative(context, dockerfile).split(sep).join('/');
  const visible = !inside.startsWith('../') && !rules.excludes(inside);
  const name = visible ? inside : `.dockerfile.${randomBytes(10).toString('hex')}`;
  const pack = tarPack();
  const count = { files: 0, bytes: 0 };
  const work = async (): Promise<void> => {
    if (!visible) await addHidden(pack, context, dockerfile, name, rules);
    await addAll(pack, context, rules, count, visible ? '' : '.dockerignore');
    pack.finalize();
  };
  work().catch((error: unknown) => pack.destroy(error instanceof Error ? error : new Error(messageOf(error))));
  return { tar: pack, dockerfile: name, count };
}

async function readIgnoreFile(context: string, dockerfile: string): Promise<{ file: string; text: string }> {
  for (const file of [`${dockerfile}.dockerignore`, join(context, '.dockerignore')]) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw new UserError(`${file} cannot be read: ${messageOf(error)}.`, 'Make it a readable file.');
    });
    if (text !== null) return { file, text };
  }
  return { file: '', text: '' };
}

function rulesOf(file: string, text: string): IgnoreRules {
  try {
    return ignoreRules(text);
  } catch (error) {
    throw new UserError(`${file} cannot be understood: ${messageOf(error)}.`, 'Correct that line.', { cause: error });
  }
}

/**
 * A Dockerfile that the context does not hold travels under a name of its own. The engine reads `.dockerignore` only to take files out
 * again that had to be sent, so it is told to take out this one, and itself where it would not have been sent.
 */
async function addHidden(
  pack: Pack,
  context: string,
  dockerfile: string,
  name: string,
  rules: IgnoreRules,
): Promise<void> {
  await entry(pack, { name, mode: 0o600 }, await readFile(dockerfile));
  const own = await readFile(join(context, '.dockerignore'), 'utf8').catch(() => null);
  const sent = own !== null && !rules.excludes('.dockerignore');
  const text = sent ? `${own}\n${name}\n` : `${name}\n.dockerignore\n`;
  await entry(pack, { name: '.dockerignore', mode: 0o644 }, Buffer.from(text));
}

async function addAll(
  pack: Pack,
  context: string,
  rules: IgnoreRules,
  count: { files: number; bytes: number },
  skipped: string,
): Promise<void> {
  const sentDirectories = new Set<string>();
  for await (const found of walk(context, '', rules)) {
    if (found.path === skipped) continue;
    if (found.type === 'directory') {
      if (!rules.excludes(found.path)) await addDirectory(pack, context, found.path, sentDirectories);
      continue;
    }
    // The parents of a file that was taken back with `!` were left out themselves; they keep their modes.
    const parents = found.path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parents.length; depth += 1)
      await addDirectory(pack, context, parents.slice(0, depth).join('/'), sentDirectories);
    await addFile(pack, context, found);
    count.files += 1;
    count.bytes += found.type === 'file' ? found.size : 0;
  }
}

/** Everything below a directory that goes along, and directories that may hold such; sockets, pipes and devices never do. */
async function* walk(context: string, directory: string, rules: IgnoreRules): AsyncGenerator<Found> {
  const names = (await readdir(join(context, directory))).sort();
  for (const name of names) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const stat = await lstat(join(context, path));
    const base = { path, mode: stat.mode & 0o7777, size: stat.size, mtime: stat.mtime };
    const excluded = rules.excludes(path);
    if (stat.isDirectory()) {
      if (excluded && !rules.mayKeepInside(path)) continue;
      yield { ...base, type: 'directory' };
      yield* walk(context, path, rules);
    } else if (!excluded && stat.isSymbolicLink()) yield { ...base, type: 'symlink' };
    else if (!excluded && stat.isFile()) yield { ...base, type: 'file' };
  }
}

async function addDirectory(pack: Pack, context: string, path: string, sent: Set<string>): Promise<void> {
  if (sent.has(path)) return;
  sent.add(path);
  const stat = await lstat(join(context, path));
  await entry(pack, { name: path, type: 'directory', mode: stat.mode & 0o7777, mtime: stat.mtime }, Buffer.alloc(0));
}

async function addFile(pack: Pack, context: string, found: Found): Promise<void> {
  const { path: name, mode, mtime } = found;
  if (found.type === 'symlink') {
    const linkname = await readlink(join(context, name));
    await entry(pack, { name, type: 'symlink', linkname, mode, mtime }, Buffer.alloc(0));
    return;
  }
  if (found.size === 0) return entry(pack, { name, mode, mtime }, Buffer.alloc(0));
  const sink = pack.entry({ name, mode, mtime, size: found.size, uid: 0, gid: 0 });
  // Read no further than the size in the header: a file that grows meanwhile would break the archive.
  await pipeline(createReadStream(join(context, name), { end: found.size - 1 }), sink);
}

function entry(pack: Pack, headers: Headers, content: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    pack.entry({ ...headers, uid: 0, gid: 0 }, content, (error) => (error ? reject(error) : resolve()));
  });
}
