import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Every job that uses an action downloads the archive of its release: bytes, gzipped. */
export const ARCHIVE_LIMIT = 1_500_000;

/** A commit's time is that of every file in its archive: fixed, for the same bytes from the same tree. */
const AUTHOR = {
  GIT_AUTHOR_NAME: 'cd-actions',
  GIT_AUTHOR_EMAIL: 'noreply@example.invalid',
  GIT_AUTHOR_DATE: '2020-01-01T00:00:00Z',
  GIT_COMMITTER_NAME: 'cd-actions',
  GIT_COMMITTER_EMAIL: 'noreply@example.invalid',
  GIT_COMMITTER_DATE: '2020-01-01T00:00:00Z',
};

/** The archive of a tree as GitHub makes it of a tag: by git, without what is marked `export-ignore`. Needs git. */
export function archiveOf(tree: string, prefix = ''): Buffer {
  const git = mkdtempSync(join(tmpdir(), 'cd-actions-archive-'));
  const run = (...args: readonly string[]): Buffer =>
    execFileSync('git', ['--git-dir', git, '--work-tree', tree, ...args], {
      env: { ...process.env, ...AUTHOR },
      maxBuffer: 1 << 28,
    });
  try {
    run('init', '--quiet');
    run('add', '--all', '--force');
    const id = run('write-tree').toString().trim();
    const commit = run('commit-tree', '-m', 'release', id).toString().trim();
    return gzipSync(run('archive', '--format=tar', `--prefix=${prefix}`, commit), { level: 9 });
  } finally {
    rmSync(git, { recursive: true, force: true });
  }
}
