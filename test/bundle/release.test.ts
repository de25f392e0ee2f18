import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ARCHIVE_LIMIT, archiveOf } from '../../scripts/release/archive.ts';
import { releaseTree } from '../../scripts/release/tree.ts';
import { actionNames } from '../support/run-action.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** What a release tag points to. That whole deliveries run from it is for the tests in test/e2e. */
describe('the release tree', () => {
  let directory: string;
  let tree: string;
  const read = (file: string): string => readFileSync(join(tree, file), 'utf8');
  const options = () => ({ source: ROOT, dist: join(ROOT, 'dist'), out: tree });

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cd-actions-release-'));
    tree = join(directory, 'tree');
    releaseTree({ ...options(), version: '1.2.3', repository: 'acme/deliver' });
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each(actionNames())('has %s in a root folder, where `uses` looks, and it runs from there', (name) => {
    const { main } = parse(read(`${name}/action.yml`)).runs as { main: string };
    const env = { PATH: process.env['PATH'], RUNNER_TEMP: directory };
    const { status, stdout } = spawnSync(process.execPath, [join(tree, name, main)], { env, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stdout).toMatch(/^::error::.*Input `/m);
    expect(stdout).not.toContain('fault in the suite');
  });

  test('has the reusable workflows, with its own actions at exactly its version', () => {
    const files = globSync('.github/workflows/*.yml', { cwd: tree }).map((file) => file.split('/').at(-1));
    expect(files.sort()).toEqual(['deliver.yml', 'monitor.yml', 'promote.yml', 'rollback.yml']);
    const used = files.flatMap((file) => [...read(`.github/workflows/${file}`).matchAll(/^ +(?:- )?uses: (.*)$/gm)]);
    const own = used.map((match) => match[1] ?? '').filter((each) => !each.startsWith('actions/'));
    expect(own.length).toBeGreaterThan(10);
    expect(own.filter((each) => !/^acme\/deliver\/\S+@v1\.2\.3$/.test(each))).toEqual([]);
  });

  test('names the repository that publishes it, nowhere the placeholder', () => {
    const texts = globSync('**/*.{md,yml}', { cwd: tree });
    expect(texts.length).toBeGreaterThan(20);
    expect(texts.filter((file) => read(file).includes('org/cd-actions'))).toEqual([]);
  });

  test('has no link to a file that is not there', () => {
    const broken = globSync('**/*.md', { cwd: tree }).flatMap((file) => {
      const prose = read(file).replaceAll(/```[\s\S]*?```/g, '');
      const links = [...prose.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, to = '']) => to);
      return links.filter((to) => !existsSync(resolve(tree, dirname(file), to))).map((to) => `${file}: ${to}`);
    });
    expect(broken).toEqual([]);
  });

  test('carries licences, and sums that sha256sum accepts', () => {
    expect([existsSync(join(tree, 'LICENSE')), existsSync(join(tree, 'dist/licenses.txt'))]).toEqual([true, true]);
    const { status, stderr } = spawnSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: tree });
    expect([status, String(stderr)]).toEqual([0, '']);
  });

  test('makes the same archive every time, small enough for every job to download', () => {
    const [first, second] = [archiveOf(tree), archiveOf(tree)];
    expect(first.equals(second)).toBe(true);
    expect(first.length).toBeLessThanOrEqual(ARCHIVE_LIMIT);
  });

  test.each(['1.2', 'v1.2.3', '1.2.3-rc.1', '01.2.3', '1.2.3\n'])('is not made for the version %j', (version) => {
    expect(() => releaseTree({ ...options(), version, repository: 'acme/deliver' })).toThrow('has the form 1.2.3');
  });
});
