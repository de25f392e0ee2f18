import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actionNames, bundleOf } from '../support/run-action.ts';

const ROUNDS = 8;

describe('the start of a bundle', () => {
  let directory: string;
  let bare: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cd-actions-start-'));
    bare = join(directory, 'bare.cjs');
    writeFileSync(bare, '');
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function milliseconds(script: string): number {
    const began = performance.now();
    spawnSync(process.execPath, [script], { env: { PATH: process.env['PATH'] }, stdio: 'ignore' });
    return performance.now() - began;
  }

  /** The bundle runs all of its start: it reads its inputs with the toolkit, finds one bad and says so. */
  test.each(actionNames())("%s refuses a bad input within three times bare Node's start", (name) => {
    const script = bundleOf(name);
    expect(existsSync(script), `${script} is missing: run \`npm run build\``).toBe(true);
    const times = { bare: [] as number[], bundle: [] as number[] };
    // Interleaved, and the best of each: a busy machine slows both, and never makes one quicker.
    for (let round = 0; round < ROUNDS; round += 1) {
      times.bare.push(milliseconds(bare));
      times.bundle.push(milliseconds(script));
    }
    const ratio = Math.min(...times.bundle) / Math.min(...times.bare);
    console.log(`${name}: ${Math.min(...times.bundle).toFixed(0)} ms, ${ratio.toFixed(2)} times bare Node`);
    expect(ratio).toBeLessThanOrEqual(3);
  });
});
