import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { WORKFLOWS } from '../contract/workflows.ts';
import { parts } from '../support/parts.ts';
import { ROOT } from './support/workplace.ts';

/** Keys of the platform that are newer than the linter; its own parser (test/contract/workflows.test.ts) knows them. */
const NEWER = ['unexpected key "queue" for "concurrency" section'];

function findings(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, [...args, ...WORKFLOWS], { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? '' : `exit code ${status}\n${stdout}${stderr}`;
}

describe('all workflows and examples', () => {
  test.skipIf(!parts.actionlint)('are clean to actionlint', () => {
    const ignored = NEWER.flatMap((pattern) => ['-ignore', pattern]);
    expect(findings(parts.actionlint?.binary ?? '', ['-no-color', ...ignored])).toBe('');
  });

  test.skipIf(!parts.zizmor)('are clean to zizmor in its pedantic mode', () => {
    const args = ['--offline', '--no-progress', '--pedantic', '--config', '.github/zizmor.yml'];
    expect(findings(parts.zizmor?.binary ?? '', args)).toBe('');
  });
});
