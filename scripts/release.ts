// `npm run release:tree -- --version 1.2.3 --out DIR` makes the tree that the tag v1.2.3 points to, from a clean main, with `dist` rebuilt and
// compared. `--repository owner/name` is the one that publishes it. `--archive FILE` also writes what a runner downloads.
// `--dist DIR` takes bundles that were built and compared before, and then the checkout may have changes.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ARCHIVE_LIMIT, archiveOf } from './release/archive.ts';
import { PLACEHOLDER, releaseTree } from './release/tree.ts';

const ROOT = resolve(import.meta.dirname, '..');

const { values } = parseArgs({
  options: {
    version: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
    repository: { type: 'string', default: process.env['GITHUB_REPOSITORY'] ?? PLACEHOLDER },
    dist: { type: 'string', default: '' },
    archive: { type: 'string', default: '' },
  },
});

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' });
}

function contents(directory: string): ReadonlyMap<string, Buffer> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true, encoding: 'utf8' }).filter((each) =>
    each.isFile(),
  );
  return new Map(
    files.map((file) => {
      const path = join(file.parentPath, file.name);
      return [path.slice(directory.length + 1), readFileSync(path)];
    }),
  );
}

/** Rebuilds the bundles into `directory`. Throws when the committed ones are others. */
function rebuild(directory: string): void {
  const changes = git('status', '--porcelain');
  if (changes !== '') throw new Error(`A release is made from a clean checkout; this one has changes:\n${changes}`);
  execFileSync(process.execPath, [join(ROOT, 'scripts/build.ts'), '--out', directory], { stdio: 'inherit' });
  const [built, committed] = [contents(directory), contents(join(ROOT, 'dist'))];
  const names = new Set([...built.keys(), ...committed.keys()]);
  const other = [...names].filter((name) => !built.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)));
  if (other.length > 0) throw new Error(`dist is not what the sources build: ${other.sort().join(', ')}`);
}

function main(): void {
  if (values.out === '') throw new Error('`--out DIR` says where the tree goes.');
  const out = resolve(values.out);
  const scratch = mkdtempSync(join(tmpdir(), 'cd-actions-release-'));
  try {
    const dist = values.dist === '' ? join(scratch, 'dist') : resolve(values.dist);
    if (values.dist === '') rebuild(dist);
    releaseTree({ source: ROOT, dist, out, version: values.version, repository: values.repository });
    const archive = archiveOf(out, `cd-actions-${values.version}/`);
    if (archive.length > ARCHIVE_LIMIT)
      throw new Error(`The archive has ${archive.length} bytes; ${ARCHIVE_LIMIT} are allowed.`);
    if (values.archive !== '') writeFileSync(resolve(values.archive), archive);
    console.log(
      `${out}: v${values.version} of ${values.repository}, its archive ${Math.ceil(archive.length / 1024)} KB`,
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
