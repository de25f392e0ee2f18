import { type Grammar, MAX_VALUE_LENGTH, Refused } from '../domain/grammar.ts';

/** One input of an action: its grammar, and what holds when it is not given. */
export interface Input<T> {
  readonly grammar: Grammar<unknown>;
  readonly required: boolean;
  /** As `action.yml` states it; undefined when there is none. */
  readonly default: string | undefined;
  /** Never shown in a message. */
  readonly secret: boolean;
  /** The parts of a raw value that the log must mask. */
  readonly masks: (raw: string) => readonly string[];
  readonly absent: T | undefined;
}

export type Inputs = Readonly<Record<string, Input<unknown>>>;
export type Values<I extends Inputs> = { readonly [K in keyof I]: I[K] extends Input<infer T> ? T : never };

/** An input that has to be given. */
export function required<T>(grammar: Grammar<T>): Input<T> {
  return { grammar, required: true, default: undefined, secret: false, masks: none, absent: undefined };
}

/** An input with a default, written as the user would write it. */
export function optional<T>(grammar: Grammar<T>, fallback: string): Input<T> {
  return { grammar, required: false, default: fallback, secret: false, masks: none, absent: grammar.parse(fallback) };
}

/** An input that may be left out; its value is then `absent`. */
export function maybe<T, A>(grammar: Grammar<T>, absent: A): Input<T | A> {
  return { grammar, required: false, default: undefined, secret: false, masks: none, absent };
}

/** The same input, its value never shown; the log masks every line of it, or the parts that `masks` names. */
export function secret<T>(input: Input<T>, masks: (raw: string) => readonly string[] = lines): Input<T> {
  return { ...input, secret: true, masks };
}

const none = (): readonly string[] => [];
const lines = (raw: string): readonly string[] => raw.split(/\r?\n/).filter((line) => line.trim() !== '');

/** One thing that is wrong with the inputs. */
export interface Problem {
  readonly input: string;
  readonly message: string;
  /** It is wrong whatever the other inputs say. */
  readonly standsAlone?: boolean;
}

/** Everything that is wrong with the inputs of an action, found before it did anything. */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map((problem) => problem.message).join('\n'));
    this.problems = problems;
  }
}

/**
 * Raw strings to one validated object. `read` returns the trimmed text of an input, empty when not given.
 * `check` looks at the whole for contradictions; it runs unless a required input is missing or wrong.
 * @throws InputError naming all wrong inputs.
 */
export function readInputs<const I extends Inputs>(
  inputs: I,
  read: (name: string) => string,
  check: (values: Values<I>) => readonly Problem[] = () => [],
): Values<I> {
  const problems: Problem[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, input] of Object.entries(inputs)) {
    const raw = read(name);
    if (raw === '') {
      if (input.required)
        problems.push({
          input: name,
          message: `Input \`${name}\` is required: ${input.grammar.allowed}. Give it under \`with:\`.`,
        });
      values[name] = input.absent;
      continue;
    }
    try {
      values[name] = input.grammar.parse(raw);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      values[name] = input.absent;
      problems.push({ input: name, message: describe(name, raw, input, error) });
    }
  }
  // A wrong input counts as left out here: what contradicts it cannot be told, what stands alone can.
  if (problems.every((each) => inputs[each.input]?.required !== true)) {
    const wrong = new Set(problems.map((each) => each.input));
    problems.push(
      ...check(values as Values<I>).filter((each) => wrong.size === 0 || (each.standsAlone && !wrong.has(each.input))),
    );
  }
  if (problems.length > 0) throw new InputError(problems);
  return values as Values<I>;
}

/** An input of the contract that this version does not honour yet. */
export function notYet(input: string, instead = 'Leave it out.'): Problem {
  return { input, message: `Input \`${input}\`: is not supported yet in this version. ${instead}`, standsAlone: true };
}

/** A contradiction between inputs. */
export function problem(input: string, message: string): Problem {
  return { input, message: `Input \`${input}\`: ${message}` };
}

const SHOWN = 80;

function describe(name: string, raw: string, input: Input<unknown>, refused: Refused): string {
  const shown = input.secret ? '***' : quote(raw);
  const reason = input.secret ? 'is not of the allowed form' : `${refused.message}${lookalikes(raw)}`;
  return `Input \`${name}\`: ${shown} ${reason}. Allowed: ${input.grammar.allowed}. Change it under \`with:\`${input.default === undefined ? '' : `, or leave it out for the default \`${input.default.replaceAll('\n', ',')}\``}.`;
}

/** The value in quotes, cut, control characters escaped. */
function quote(raw: string): string {
  return JSON.stringify(raw.length > SHOWN ? `${raw.slice(0, SHOWN)}…` : raw);
}

/** Names characters that look like others or like nothing: somebody who reads the value cannot see them. */
function lookalikes(raw: string): string {
  const found = [...new Set(raw.slice(0, MAX_VALUE_LENGTH).match(/[^\p{ASCII}]/gu) ?? [])].slice(0, 5);
  if (found.length === 0) return '';
  const points = found.map((each) => `U+${(each.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`);
  return ` (it contains ${points.join(', ')})`;
}
