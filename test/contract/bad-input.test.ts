import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { InputError, type Inputs, readInputs } from '@cd-actions/shared/action/inputs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Action, actionFolders, loadAction, ROOT } from './actions.ts';
import { type Danger, HOSTILE } from './hostile.ts';
import { KINDS } from './input-kinds.ts';
import type { Kind } from './kinds.ts';

const actions: readonly Action[] = await Promise.all(actionFolders().map(loadAction));

/** Dangers that make sense only as a whole value: a dash inside a name is a dash. */
const WHOLE_ONLY: readonly Danger[] = ['an option', 'full-width digits'];

/** Right, and not honoured in this version: refused with these words, which the next version takes away. */
const UNSUPPORTED = /not supported yet/;

/** `node:net` for `isIP`: it tells addresses from names and opens nothing. */
const PURE = ['node:crypto', 'node:net'];

const kindOf = (action: string, input: string): Kind | undefined => KINDS[`${action}/${input}`] ?? KINDS[input];

describe.each(actions)('$name', (action) => {
  const { name, inputs } = action;
  const known = Object.keys(inputs).filter((input) => kindOf(name, input));

  it('has a decision for every input about what must be refused (test/contract/input-kinds.ts)', () => {
    expect(Object.keys(inputs).filter((input) => !kindOf(name, input))).toEqual([]);
  });

  it.each(known)('%s: refuses what is hostile or malformed, and takes what is right', (input) => {
    const kind = kindOf(name, input);
    if (!kind) throw new Error('unreachable');
    const wrong = badValues(kind).filter((raw) => problemsOf(action, input, raw) === null);
    const right = kind.accepts.filter((raw) => problemsOf(action, input, raw) !== null);
    expect({ accepted: wrong.map((raw) => raw.slice(0, 60)), refused: right }).toEqual({ accepted: [], refused: [] });
  });

  it.each(known)('%s: the message names input, value, rule and remedy, and no secret', (input) => {
    const secret = inputs[input]?.secret ?? false;
    for (const raw of badValues(kindOf(name, input) as Kind)) {
      const message = problemsOf(action, input, raw) ?? '';
      expect(message).toMatch(new RegExp(`^Input \`${input}\`: `));
      // A contradiction says in its own words what to do.
      if (!/\. Allowed: .+\. Change it under `with:`/s.test(message)) {
        expect(message).toMatch(/: .+\./s);
        continue;
      }
      expect(message.length).toBeLessThan(2000);
      if (secret) expect(message).toContain('`: *** is not of the allowed form.');
      else expect(message).toContain(JSON.stringify(raw.slice(0, 40)).slice(1, -1));
    }
  });

  it('reports all wrong inputs together, each once, before anything else', () => {
    const bad = Object.fromEntries(
      known.flatMap((input) => {
        const [value] = badValues(kindOf(name, input) as Kind);
        return value === undefined ? [] : [[input, value]];
      }),
    );
    expect(reportedBy(inputs, (input) => bad[input] ?? '')).toEqual(Object.keys(bad));
  });

  it('names every required input that is missing', () => {
    const required = Object.keys(inputs).filter((input) => inputs[input]?.required);
    expect(required.length === 0 ? [] : reportedBy(inputs, () => '')).toEqual(required);
  });

  it('admits no value outside the shape of its kind', () => {
    const shaped = known.filter((input) => kindOf(name, input)?.shape);
    fc.assert(
      fc.property(fc.constantFrom(...shaped), candidate(), (input, raw) => {
        if (problemsOf(action, input, raw) !== null) return;
        expect(raw).toMatch(kindOf(name, input)?.shape as RegExp);
      }),
      { numRuns: 500 },
    );
  });

  it('shows no part of a secret in a message, whatever it looks like', () => {
    const secrets = Object.keys(inputs).filter((input) => inputs[input]?.secret);
    if (secrets.length === 0) return;
    fc.assert(
      fc.property(fc.constantFrom(...secrets), candidate(), (input, noise) => {
        const message = problemsOf(action, input, `${noise}hunter2-4711${noise}`) ?? '';
        expect(message).not.toContain('hunter2');
        expect(message).not.toContain('4711');
      }),
    );
  });

  it('reads its inputs without touching the world: only grammars are within reach of the parser', () => {
    const allowed =
      /^(packages\/shared\/src\/(domain|action\/(inputs|deployment-inputs|traffic-inputs))|actions\/[a-z-]+\/src\/|packages\/shared\/src\/gates\/)/;
    const reached = [...imports(join(ROOT, 'actions', name, 'src', 'inputs.ts'))];
    expect(reached.filter((file) => !allowed.test(file) && !PURE.includes(file))).toEqual([]);
  });
});

/** Everything that an input of this kind must refuse; by itself and inside an otherwise right value. */
function badValues(kind: Kind): readonly string[] {
  const dangers = kind.refuses.map((danger) => HOSTILE[danger]);
  const embedded = kind.around
    ? kind.refuses
        .filter((danger) => !WHOLE_ONLY.includes(danger))
        .map((danger) => kind.around?.(HOSTILE[danger]) ?? '')
    : [];
  return [...kind.malformed, ...dangers, ...embedded];
}

/**
 * The message about one input with this value, the required ones being right; null when it is accepted. A value that is right by
 * itself and not supported yet counts as accepted. A grammar must refuse, not break.
 */
function problemsOf(action: Action, input: string, raw: string): string | null {
  const read = (each: string): string => {
    if (each === input) return raw;
    const beside = kindOf(action.name, input)?.beside?.[each];
    return beside ?? (action.inputs[each]?.required ? (kindOf(action.name, each)?.accepts[0] ?? '') : '');
  };
  try {
    readInputs(action.inputs, read, action.check as never);
    return null;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const ours = error.problems.filter((each) => each.input === input && !UNSUPPORTED.test(each.message));
    return ours.length === 0 ? null : ours.map((each) => each.message).join('\n');
  }
}

function reportedBy(inputs: Inputs, read: (input: string) => string): readonly string[] {
  try {
    readInputs(inputs, read);
  } catch (error) {
    if (error instanceof InputError) return error.problems.map((each) => each.input);
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Strings that are nearly right: pieces of names and values with a danger here and there. */
function candidate(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    'a',
    'A',
    '0',
    '1',
    '9',
    '-',
    '.',
    '_',
    '/',
    ':',
    '@',
    's',
    'ms',
    'm',
    'g',
    'true',
    'shop',
  );
  const danger = fc.constantFrom(
    ...Object.entries(HOSTILE).flatMap(([what, raw]) => (what === 'one megabyte' ? [] : [raw])),
  );
  const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 2 });
  return fc
    .array(
      fc.oneof({ weight: 8, arbitrary: piece }, { weight: 1, arbitrary: danger }, { weight: 1, arbitrary: character }),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    .map((pieces) => pieces.join(''));
}

/** The files that a file imports, and those that they import; types do not count, they are gone at run time. */
function imports(file: string, found = new Set<string>()): ReadonlySet<string> {
  const source = readFileSync(file, 'utf8');
  for (const [, specifier = ''] of source.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gm)) {
    const target = specifier.startsWith('@cd-actions/shared/')
      ? join(ROOT, 'packages/shared/src', `${specifier.slice('@cd-actions/shared/'.length)}.ts`)
      : specifier.startsWith('.')
        ? resolve(file, '..', specifier)
        : specifier;
    const name = target.startsWith('/') ? relative(ROOT, target) : target;
    if (found.has(name)) continue;
    found.add(name);
    if (target.startsWith('/')) imports(target, found);
  }
  return found;
}
