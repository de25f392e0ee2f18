import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const shared = 'packages/shared/src';

const refused: readonly (readonly [path: string, source: string])[] = [
  [`${shared}/domain/`, `import 'node:fs';`],
  [`${shared}/domain/`, `import '../delivery/ports.ts';`],
  [`${shared}/delivery/`, `import '../registry/keys.ts';`],
  [`${shared}/delivery/`, `await import('ioredis');`],
  [`${shared}/engine/`, `import '../nginx/controller.ts';`],
  [`${shared}/engine/`, `import '../delivery/switch.ts';`],
  [`${shared}/gates/probe/`, `import '../../report/summary.ts';`],
  [`${shared}/nginx/`, `import '@actions/core';`],
  [`${shared}/nginx/`, `import 'dockerode';`],
  ['actions/verify/src/main.ts', `import '@cd-actions/shared/action/run';`],
  ['actions/verify/src/inputs.ts', `import '@cd-actions/shared/engine/docker';`],
  ['actions/verify/src/index.ts', `import '../../rollback/src/main.ts';`],
];

const allowed: readonly (readonly [path: string, source: string])[] = [
  [`${shared}/domain/`, `import './errors.ts';`],
  [`${shared}/delivery/`, `import '../domain/errors.ts';`],
  [`${shared}/engine/`, `import '../delivery/ports.ts';`],
  [`${shared}/engine/`, `import 'dockerode';`],
  ['actions/verify/src/main.ts', `import '@cd-actions/shared/delivery/switch';`],
  ['actions/verify/src/index.ts', `await import('@cd-actions/shared/engine/docker');`],
];

describe('the rooms of the house, held by the linter', () => {
  let directory: string;
  let complaints: ReadonlySet<string>;

  /** One import, one file, in a copy of the tree; one for which no name is given has one of its own. */
  const place = (path: string, index: number): string => {
    const named = path.endsWith('/') ? `${path}unwritten-${index}.ts` : path;
    return named.replace(/^actions\/verify/, `actions/verify-${index}`);
  };

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cd-actions-rules-'));
    const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
    writeFileSync(join(directory, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }));
    for (const [index, [path, source]] of [...refused, ...allowed].entries()) {
      const file = join(directory, place(path, index));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${source}\n`);
    }
    const args = ['lint', '--only=style/noRestrictedImports', '--reporter=json', '--max-diagnostics=200', '.'];
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/biome'), args, { cwd: directory, encoding: 'utf8' });
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: readonly { location: { path: string } }[] };
    complaints = new Set(diagnostics.map((diagnostic) => diagnostic.location.path.replace(/^\.\//, '')));
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each(refused.map(([path, source], index) => [path, source, index] as const))(
    '%s may not say %s',
    (path, _source, index) => {
      expect(complaints).toContain(place(path, index));
    },
  );

  test.each(allowed.map(([path, source], index) => [path, source, refused.length + index] as const))(
    '%s may say %s',
    (path, _source, index) => {
      expect(complaints).not.toContain(place(path, index));
    },
  );
});
