import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withTables } from '../../scripts/readme.ts';
import { type Action, actionFolders, CONTRACT, loadAction, type Metadata, ROOT } from './actions.ts';

/** https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax#branding */
const COLORS = ['white', 'black', 'yellow', 'blue', 'green', 'orange', 'red', 'purple', 'gray-dark'];
const KEYS = ['name', 'description', 'author', 'branding', 'inputs', 'outputs', 'runs'];

const actions: readonly Action[] = await Promise.all(actionFolders().map(loadAction));

describe('the suite', () => {
  it('has every action of the public contract, and a contract for every action', () => {
    expect(actions.map((action) => action.name)).toEqual(Object.keys(CONTRACT).sort());
  });
});

describe.each(actions)('$name', ({ name, metadata, readme, inputs, outputs }) => {
  it('keeps the public contract: every promised input with its default, every promised output', () => {
    const promised = CONTRACT[name];
    if (!promised) return; // named by the test above
    const kept = Object.fromEntries(
      Object.entries(promised.inputs).map(([input, promise]) => {
        const is = metadata.inputs[input];
        if (!is) return [input, 'missing'];
        return [
          input,
          {
            ...('required' in promise ? { required: is.required ?? false } : {}),
            ...('default' in promise ? { default: is.default } : {}),
          },
        ];
      }),
    );
    expect(kept).toEqual(promised.inputs);
    expect(Object.keys(metadata.outputs)).toEqual(expect.arrayContaining([...promised.outputs]));
  });

  it('has an action.yml that GitHub accepts, with the runtime and the bundle of the suite', () => {
    expect(Object.keys(metadata).filter((key) => !KEYS.includes(key))).toEqual([]);
    expect(metadata.runs).toEqual(runs(name));
    expect(COLORS).toContain(metadata.branding.color);
    expect(metadata.branding.icon).toMatch(/^[a-z]+(-[a-z0-9]+)*$/);
    // The Marketplace refuses a longer description.
    expect(metadata.description.length).toBeLessThanOrEqual(125);
    for (const text of [metadata.name, metadata.description, metadata.author]) expect(text.trim()).not.toBe('');
    // The runner refuses an action whose descriptions hold an expression.
    const described = [...Object.values(metadata.inputs), ...Object.values(metadata.outputs ?? {})];
    expect(described.filter(({ description }) => description.includes('${{'))).toEqual([]);
  });

  it('describes every input and output, gives defaults as strings, and names them in kebab-case', () => {
    expect(unfit(metadata)).toEqual([]);
  });

  it('parses the inputs that action.yml declares, with the same defaults', () => {
    const declared = Object.entries(metadata.inputs).map(([input, { required, default: fallback }]) => [
      input,
      { required: required ?? false, default: fallback === '' ? undefined : fallback },
    ]);
    const parsed = Object.entries(inputs).map(([input, { required, default: fallback }]) => [
      input,
      { required, default: fallback === '' ? undefined : fallback },
    ]);
    expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(parsed));
  });

  it('sets the outputs that action.yml declares', () => {
    expect(Object.keys(outputs).sort()).toEqual(Object.keys(metadata.outputs).sort());
  });

  it('has a README whose tables are those of action.yml (npm run readme)', () => {
    expect(readme).toBe(withTables(readme, metadata));
  });
});

/** A post step is declared exactly when the action has something to do there: a declared one costs every job a start. */
function runs(name: string): Readonly<Record<string, string>> {
  const bundle = `../../dist/${name}/index.js`;
  const index = readFileSync(join(ROOT, 'actions', name, 'src', 'index.ts'), 'utf8');
  expect(index).toContain(`name: '${name}',`);
  return { using: 'node24', main: bundle, ...(/^ {2}(async )?post\b/m.test(index) ? { post: bundle } : {}) };
}

/** What a reader of `action.yml` would stumble on. */
function unfit(metadata: Metadata): readonly string[] {
  const problems: string[] = [];
  for (const [kind, entries] of [
    ['input', metadata.inputs],
    ['output', metadata.outputs],
  ] as const) {
    for (const [name, entry] of Object.entries<{ description: string; required?: boolean; default?: unknown }>(
      entries,
    )) {
      if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) problems.push(`${kind} ${name} is not kebab-case`);
      if ((entry.description ?? '').trim().length < 10) problems.push(`${kind} ${name} is not described`);
      if (!['undefined', 'string'].includes(typeof entry.default))
        problems.push(`${kind} ${name}: its default is no string; write it in quotes`);
      if (entry.required && entry.default !== undefined) problems.push(`${kind} ${name} is required and has a default`);
    }
  }
  return problems;
}
