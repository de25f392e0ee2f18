import { appendFileSync } from 'node:fs';
import { DeliveryError, messageOf, StaleLeaseError, UnavailableError, UserError } from '../domain/errors.ts';
import type { RunIdentity } from '../domain/run.ts';
import type { Verdict } from '../domain/verdict.ts';
import { InputError, type Inputs, type Problem, readInputs, type Values } from './inputs.ts';
import { type Outputs, toOutputs } from './outputs.ts';

/** What an action may use of the runner. Structurally the `Log` of the delivery stories. */
export interface Toolkit {
  readonly log: {
    debug(message: string): void;
    info(message: string): void;
    warning(message: string): void;
    error(message: string, where?: { file?: string; startLine?: number; title?: string }): void;
    group<T>(title: string, work: () => Promise<T>): Promise<T>;
  };
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  readonly run: RunIdentity;
  /** A directory for this job's files. */
  readonly temp: string;
  /** The checkout. */
  readonly workspace: string;
  /** Masks a value in the log from now on. */
  mask(value: string): void;
  /** Kept for the post step. */
  saveState(name: string, value: string): void;
}

/** An action, without its composition. `R` is the result of its story. */
export interface ActionDefinition<I extends Inputs, R> {
  readonly name: string;
  readonly inputs: I;
  readonly check?: (values: Values<I>) => readonly Problem[];
  readonly outputs: Outputs<R>;
  /** Builds the adapters, tells the story, closes the adapters. */
  readonly run: (values: Values<I>, toolkit: Toolkit) => Promise<R>;
  /** Markdown for the job summary. */
  readonly summary?: (result: R, values: Values<I>) => string;
  /** For a gate: what it decided. The step fails on anything but a pass, after outputs and summary are set. */
  readonly verdict?: (result: R) => { readonly verdict: Verdict; readonly message: string };
  /** Runs after the job, with the state that `run` saved. */
  readonly post?: (state: (name: string) => string, values: Values<I>, toolkit: Toolkit) => Promise<void>;
}

/** Summaries larger than this are refused by GitHub. */
const SUMMARY_LIMIT = 1_048_576;

/**
 * Runs an action as GitHub's runner does: reads and checks the inputs, masks secrets, tells the story, sets outputs and
 * summary, and turns what is thrown into one annotation that says what happened and what to do. Sets the exit code; never throws.
 */
export async function runAction<const I extends Inputs, R>(action: ActionDefinition<I, R>): Promise<void> {
  // A dependency's use of an old interface of Node is nothing that a user could mend.
  process.noDeprecation = true;
  const core = await import('@actions/core');
  const cancel = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => cancel.abort(new UserError(`The run was cancelled (${signal}).`));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const toolkit = toolkitOf(core, cancel.signal);
  // Before anything else: the runner starts the post step of a main step that failed or was killed too, and must not do its work again.
  const isPost = core.getState('phase') === 'post';
  core.saveState('phase', 'post');
  try {
    for (const [name, input] of Object.entries(action.inputs)) {
      for (const value of input.masks(core.getInput(name))) core.setSecret(value);
    }
    const values = readInputs(action.inputs, (name) => core.getInput(name), action.check);
    if (isPost) {
      await action.post?.((name) => core.getState(name), values, toolkit);
      return;
    }
    const result = await action.run(values, toolkit);
    for (const [name, value] of Object.entries(toOutputs(action.outputs, result))) core.setOutput(name, value);
    writeSummary(action.summary?.(result, values) ?? '');
    const decided = action.verdict?.(result);
    if (decided && decided.verdict !== 'pass') core.setFailed(`${action.name}: ${decided.verdict}. ${decided.message}`);
  } catch (error) {
    // The main step has said it already, and did nothing that would need a post step.
    if (isPost && error instanceof InputError) return;
    for (const line of explain(error)) core.error(line);
    core.setFailed(`${action.name} failed. ${headline(error)}`);
    if (process.env['RUNNER_DEBUG'] === '1' && error instanceof Error) core.debug(error.stack ?? '');
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

type Core = typeof import('@actions/core');

function toolkitOf(core: Core, signal: AbortSignal): Toolkit {
  return {
    log: {
      debug: (message) => core.debug(message),
      info: (message) => core.info(message),
      warning: (message) => core.warning(message),
      error: (message, where) => core.error(message, where),
      group: (title, work) => core.group(title, work),
    },
    signal,
    run: runIdentity(process.env),
    temp: process.env['RUNNER_TEMP'] ?? process.env['TMPDIR'] ?? '/tmp',
    workspace: process.env['GITHUB_WORKSPACE'] ?? process.cwd(),
    mask: (value) => core.setSecret(value),
    saveState: (name, value) => core.saveState(name, value),
  };
}

/** Who runs this, from the runner's environment (https://docs.github.com/actions/reference/variables-reference). */
export function runIdentity(env: Readonly<Record<string, string | undefined>>): RunIdentity {
  const run = env['GITHUB_RUN_ID'];
  return {
    actor: env['GITHUB_ACTOR'] ?? env['USER'] ?? 'unknown',
    url: run
      ? `${env['GITHUB_SERVER_URL'] ?? 'https://github.com'}/${env['GITHUB_REPOSITORY'] ?? ''}/actions/runs/${run}`
      : 'a local run',
    sha: env['GITHUB_SHA'] ?? '',
    id: run
      ? `${run}-${env['GITHUB_RUN_ATTEMPT'] ?? '1'}-${env['GITHUB_JOB'] ?? ''}-${process.pid}`
      : `local-${process.pid}-${Date.now()}`,
  };
}

function writeSummary(markdown: string): void {
  const file = process.env['GITHUB_STEP_SUMMARY'];
  if (!file || markdown === '') return;
  const bytes = Buffer.from(`${markdown}\n`);
  if (bytes.length <= SUMMARY_LIMIT) {
    appendFileSync(file, bytes);
    return;
  }
  const note = Buffer.from('\n\n_Cut at the limit of a job summary._\n');
  let end = SUMMARY_LIMIT - note.length;
  // Not inside a character: the bytes after its first are 10xxxxxx.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  appendFileSync(file, Buffer.concat([bytes.subarray(0, end), note]));
}

/** One sentence for the step's failure line. */
function headline(error: unknown): string {
  if (error instanceof InputError)
    return error.problems.length === 1
      ? messageOf(error)
      : `${error.problems.length} inputs are wrong; each is named above. Nothing was changed.`;
  if (error instanceof UserError) return joined(error.message, error.remedy);
  if (error instanceof DeliveryError) return joined(error.message, error.serving);
  if (error instanceof UnavailableError || error instanceof StaleLeaseError) return error.message;
  return `This is a fault in the suite, please report it: ${messageOf(error)}`;
}

/** Two sentences; after a message of several lines the second has a line of its own. */
function joined(message: string, more: string | undefined): string {
  if (!more) return message;
  return `${message}${message.includes('\n') ? '\n' : ' '}${more}`;
}

/** The lines above the failure line: every wrong input, the causes, the stack of a bug. */
function explain(error: unknown): readonly string[] {
  if (error instanceof InputError) return error.problems.length === 1 ? [] : error.problems.map((each) => each.message);
  const lines: string[] = [];
  for (
    let cause = error instanceof Error ? error.cause : undefined;
    cause !== undefined;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    if (!messageOf(error).includes(messageOf(cause))) lines.push(`Cause: ${messageOf(cause)}`);
  }
  const known = [UserError, DeliveryError, UnavailableError, StaleLeaseError].some((kind) => error instanceof kind);
  if (!known && error instanceof Error) lines.push(error.stack ?? error.message);
  return lines;
}
