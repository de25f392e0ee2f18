import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { actionNames, bundleOf, manifestOf } from '../support/run-action.ts';

const root = resolve(import.meta.dirname, '../..');
const dist = join(root, 'dist');
const files = readdirSync(dist, { recursive: true, withFileTypes: true, encoding: 'utf8' })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const bundles = files.filter((file) => file.endsWith('.js'));

/** Native code that packages use where it is, and colours nobody sees in a log: tried, and done without. */
const TRIED = /^(\.\.?\/.*\.node|supports-color|bufferutil|utf-8-validate)$/;

describe('dist', () => {
  test.each(actionNames())('has the bundle that %s names, for its post step too', (name) => {
    const { main, post } = manifestOf(name).runs;
    expect(existsSync(bundleOf(name)), `${main} is missing: run \`npm run build\``).toBe(true);
    if (post !== undefined) expect(post).toBe(main);
  });

  test('holds scripts and licences, nothing else', () => {
    expect(files.filter((file) => !/\.js$|\/licenses\.txt$/.test(file))).toEqual([]);
  });

  test('has no bundle of an action that is no more', () => {
    const folders = readdirSync(dist, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map((entry) => entry.name).sort()).toEqual([...actionNames(), 'vendor'].sort());
  });

  test('requires only what Node has or what lies beside it', () => {
    const missing = bundles.flatMap((file) => {
      const code = readFileSync(file, 'utf8');
      const required = [...code.matchAll(/\b(?:require|import)\)?\((["'])([^"']+)\1\)/g)].map(
        (match) => match[2] ?? '',
      );
      return required
        .filter((name) => !isBuiltin(name) && !TRIED.test(name))
        .filter((name) => !name.startsWith('.') || !existsSync(resolve(dirname(file), name)))
        .map((name) => `${file}: ${name}`);
    });
    expect(missing).toEqual([]);
  });

  test.each([
    ['dockerode', 'X-Docker-Expose-Session-Uuid'],
    ['ioredis', 'MaxRetriesPerRequestError'],
    ['undici', 'UND_ERR_CONNECT_TIMEOUT'],
  ])('carries %s once, in vendor', (name, mark) => {
    const holding = bundles.filter((file) => readFileSync(file, 'utf8').includes(mark));
    expect(holding.map((file) => dirname(file))).toEqual([join(dist, 'vendor', name)]);
  });

  test('says nothing of the machine it was built on', () => {
    for (const file of files) expect(readFileSync(file, 'utf8').includes(root), file).toBe(false);
  });

  test('names every package it carries with its licence', () => {
    const licences = readFileSync(join(dist, 'licenses.txt'), 'utf8');
    for (const name of ['@actions/core', 'dockerode', 'ioredis', 'mustache', 'ssh2', 'undici']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\((MIT|Apache-2.0)\\)$`, 'm'));
    }
  });

  test('keeps the archive that a runner downloads under 1.5 MB', () => {
    const archive = execFileSync('git', ['archive', 'HEAD'], { cwd: root, maxBuffer: 1 << 28 });
    expect(gzipSync(archive).length).toBeLessThanOrEqual(1_500_000);
  });
});
