import { globSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './actions.ts';

/** The project's own workflows and the examples. */
export const WORKFLOWS: readonly string[] = globSync(['workflows-examples/*.yml', '.github/workflows/*.yml'], {
  cwd: ROOT,
}).sort();

export interface Job {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
}

interface Interface {
  readonly inputs?: Readonly<
    Record<string, { readonly type: string; readonly required?: boolean; readonly default?: unknown }>
  >;
  readonly secrets?: Readonly<Record<string, { readonly required?: boolean }>>;
}

export interface Workflow {
  readonly on: { readonly workflow_call?: Interface };
  readonly jobs: Readonly<Record<string, Job>>;
}

export const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
export const read = (path: string): Workflow => parse(textOf(path)) as Workflow;

/** The reusable workflow of the suite that a job calls, as a path in this repository. */
export function calledBy(job: Job): string | undefined {
  return /^org\/cd-actions\/(\.github\/workflows\/[a-z-]+\.yml)@v1$/.exec(job.uses ?? '')?.[1];
}

/** What is wrong with how a job calls a reusable workflow of the suite. */
export function wrongWithCall(job: Job, called: Workflow): readonly string[] {
  const { inputs = {}, secrets = {} } = called.on.workflow_call ?? {};
  const unknown = [
    ...Object.keys(job.with ?? {}).filter((name) => !(name in inputs)),
    ...Object.keys(job.secrets ?? {}).filter((name) => !(name in secrets)),
  ].map((name) => `there is no ${name}`);
  const missing = Object.entries(inputs)
    .filter(([name, { required }]) => required && !(name in (job.with ?? {})))
    .map(([name]) => `${name} is missing`);
  const mistyped = Object.entries(job.with ?? {})
    .filter(([name, value]) => inputs[name] && !/\$\{\{/.test(String(value)) && typeof value !== inputs[name].type)
    .map(([name]) => `${name} is no ${inputs[name]?.type}`);
  return [...unknown, ...missing, ...mistyped, ...ungranted(job, called)];
}

/** GitHub refuses to start a called workflow whose jobs ask for more than the calling job grants. */
function ungranted(job: Job, called: Workflow): readonly string[] {
  const asked = Object.values(called.jobs).flatMap((each) => Object.entries(each.permissions ?? {}));
  const level = (value: string | undefined): number => ['none', 'read', 'write'].indexOf(value ?? 'none');
  return asked
    .filter(([scope, value]) => level(job.permissions?.[scope]) < level(value))
    .map(([scope, value]) => `${scope}: ${value} is asked for and not granted`);
}

/** What GitHub's own parser says against a workflow's text. */
export async function refusedByParser(name: string, content: string): Promise<readonly string[]> {
  // It imports JSON without saying so, which Node refuses.
  const json = { importAttributes: { type: 'json' } };
  const hooks = registerHooks({
    resolve: (name, context, next) => next(name, name.endsWith('.json') ? { ...context, ...json } : context),
    load: (url, context, next) => next(url, url.endsWith('.json') ? { ...context, ...json } : context),
  });
  try {
    const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import('@actions/workflow-parser');
    const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
    if (value) await convertWorkflowTemplate(context, value);
    return context.errors.getErrors().map(({ message }) => message);
  } finally {
    hooks.deregister();
  }
}
