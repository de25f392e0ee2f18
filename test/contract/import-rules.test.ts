import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const shared = 'packages/shared/src';

/** What the linter says about a file with one import, at a path where no such file is. */
function lint(path: string, source: string): string {
  const biome = join(root, 'node_modules/.bin/biome');
  const { stdout, stderr } = spawnSync(
    biome,
    ['lint', '--only=style/noRestrictedImports', `--stdin-file-path=${path}`],
    { cwd: root, input: `${source}\n`, encoding: 'utf8' },
  );
  return stdout + stderr;
}

describe('the rooms of the house, held by the linter', () => {
  test.each([
    [`${shared}/domain/unwritten.ts`, `export * from 'node:fs';`],
    [`${shared}/domain/unwritten.ts`, `export { a } from '../delivery/ports.ts';`],
    [`${shared}/delivery/unwritten.ts`, `export { a } from '../registry/keys.ts';`],
    [`${shared}/delivery/unwritten.ts`, `export const load = () => import('ioredis');`],
    [`${shared}/engine/unwritten.ts`, `export { a } from '../nginx/controller.ts';`],
    [`${shared}/gates/probe/unwritten.ts`, `export { a } from '../../report/summary.ts';`],
    [`${shared}/engine/unwritten.ts`, `export { a } from '../delivery/switch.ts';`],
    [`${shared}/nginx/unwritten.ts`, `export { getInput } from '@actions/core';`],
    ['actions/verify/src/main.ts', `export { runAction } from '@cd-actions/shared/action/run';`],
    ['actions/verify/src/unwritten.ts', `export { main } from '../../rollback/src/main.ts';`],
  ])('%s may not say %s', (path, source) => {
    expect(lint(path, source)).toContain('lint/style/noRestrictedImports');
  });

  test.each([
    [`${shared}/domain/unwritten.ts`, `export { a } from './errors.ts';`],
    [`${shared}/delivery/unwritten.ts`, `export { a } from '../domain/errors.ts';`],
    [`${shared}/engine/unwritten.ts`, `export type { Engine } from '../delivery/ports.ts';`],
    [`${shared}/engine/unwritten.ts`, `export { default } from 'dockerode';`],
    ['actions/verify/src/main.ts', `export { a } from '@cd-actions/shared/delivery/switch';`],
    ['actions/verify/src/index.ts', `export { a } from '@cd-actions/shared/engine/docker';`],
  ])('%s may say %s', (path, source) => {
    expect(lint(path, source)).not.toContain('lint/style/noRestrictedImports');
  });
});
