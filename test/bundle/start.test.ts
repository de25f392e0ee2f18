import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actionNames, bundleOf } from '../support/run-action.ts';

const ROUNDS = 8;

/** The first thing an action does is to load the toolkit: that far, its own code has been loaded and runs. */
const PROBE = `
const Module = require('node:module');
const load = Module._load;
globalThis.arrived = () => {
  const { user, system } = process.cpuUsage();
  require('node:fs').writeSync(1, String(user + system));
  process.exit(0);
};
Module._load = function (request, ...rest) {
  if (request.endsWith('vendor/actions-core/index.js')) globalThis.arrived();
  return load.call(this, request, ...rest);
};
`;

describe('the start of a bundle', () => {
  let directory: string;
  let bare: string;
  let probe: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cd-actions-start-'));
    bare = join(directory, 'bare.cjs');
    writeFileSync(bare, 'globalThis.arrived();\n');
    probe = join(directory, 'probe.cjs');
    writeFileSync(probe, PROBE);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Processor time in microseconds until the first line of a script's own code: unlike the clock's, it is its own on a busy machine. */
  function start(script: string): number {
    const env = { PATH: process.env['PATH'] };
    const { stdout } = spawnSync(process.execPath, ['--require', probe, script], { env, encoding: 'utf8' });
    expect(stdout, `${script} never loaded the toolkit`).toMatch(/^\d+$/);
    return Number(stdout);
  }

  test.each(actionNames())("%s reaches its first own line within three times bare Node's start", (name) => {
    const script = bundleOf(name);
    expect(existsSync(script), `${script} is missing: run \`npm run build\``).toBe(true);
    const times = { bare: [] as number[], bundle: [] as number[] };
    // Interleaved, and the best of each: what disturbs a start only makes it longer.
    for (let round = 0; round < ROUNDS; round += 1) {
      times.bare.push(start(bare));
      times.bundle.push(start(script));
    }
    expect(Math.min(...times.bundle) / Math.min(...times.bare)).toBeLessThanOrEqual(3);
  });
});
