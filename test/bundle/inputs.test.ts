import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { actionNames, manifestOf, runAction } from '../support/run-action.ts';

/** For an action that requires nothing: an input that is wrong. */
const WRONG = { 'fail-on': 'sometimes' };

function requiredInputs(name: string): readonly string[] {
  const inputs = Object.entries(manifestOf(name).inputs ?? {}) as [string, { required?: boolean }][];
  return inputs.filter(([, input]) => input.required === true).map(([input]) => input);
}

describe('a bundle that the runner starts', () => {
  test.each(actionNames())('%s refuses a missing input by its name, all at once, and leaves nothing', async (name) => {
    const required = requiredInputs(name);
    const inputs = required.length > 0 ? {} : WRONG;
    const temporary = mkdtempSync(join(tmpdir(), 'cd-actions-left-'));
    const run = await runAction(name, inputs, { seconds: 20, env: { TMPDIR: temporary, HOME: temporary } });
    const left = readdirSync(temporary);
    rmSync(temporary, { recursive: true, force: true });
    expect(run.code).toBe(1);
    for (const input of required.length > 0 ? required : Object.keys(WRONG)) {
      expect(run.stdout).toMatch(new RegExp(`^::error::.*Input \`${input}\``, 'm'));
    }
    expect(run.stdout).not.toContain('fault in the suite');
    expect(run.outputs).toEqual({});
    expect([...run.left, ...left]).toEqual([]);
  });
});
