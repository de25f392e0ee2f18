/**
 * Writes the tables of inputs and outputs into every action's README, between its markers, from its `action.yml`; and those of the
 * reusable workflows into docs/workflows.md.
 * `--check` writes nothing and fails when a table is not what it would write.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** What the tables are made from. */
export interface ActionMetadata {
  readonly inputs?: Readonly<Record<string, { description?: string; required?: boolean; default?: unknown }>> | null;
  readonly outputs?: Readonly<Record<string, { description?: string }>> | null;
}

/** Where the reusable workflows are described. */
export const WORKFLOWS_PAGE = 'docs/workflows.md';

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));

/** The names of all actions: every folder of `actions/` that holds an `action.yml`. */
export function actionNames(directory = join(root, 'actions')): readonly string[] {
  return readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, 'action.yml')))
    .sort();
}

export function inputsTable(metadata: ActionMetadata): string {
  const rows = Object.entries(metadata.inputs ?? {}).map(
    ([name, input]) =>
      `| \`${name}\` | ${input.required ? '**required**' : defaultCell(input.default)} | ${cell(input.description ?? '')} |`,
  );
  return ['| Input | Default | Meaning |', '|---|---|---|', ...rows].join('\n');
}

export function outputsTable(metadata: ActionMetadata): string {
  const rows = Object.entries(metadata.outputs ?? {}).map(
    ([name, output]) => `| \`${name}\` | ${cell(output.description ?? '')} |`,
  );
  return ['| Output | Meaning |', '|---|---|', ...rows].join('\n');
}

/** The README with its two tables replaced. Throws when a marker is missing. */
export function withTables(readme: string, metadata: ActionMetadata): string {
  return between(between(readme, 'inputs', inputsTable(metadata)), 'outputs', outputsTable(metadata));
}

/** Inputs, secrets and outputs of reusable workflows into a page, each workflow between markers of its name. */
export function withWorkflows(page: string, read: (workflow: string) => string): string {
  const names = [...page.matchAll(/^<!-- ([a-z]+\.yml) -->$/gm)].map(([, name = '']) => name);
  return names.reduce((text, name) => between(text, name, workflowTables(parse(read(name)).on.workflow_call)), page);
}

function workflowTables(called: ActionMetadata & { readonly secrets?: ActionMetadata['inputs'] }): string {
  const secrets = Object.entries(called.secrets ?? {}).map(
    ([name, secret]) => `| \`${name}\` | ${cell(secret.description ?? '')} |`,
  );
  const tables = [inputsTable(called), outputsTable(called)];
  if (secrets.length > 0) tables.splice(1, 0, ['| Secret | Meaning |', '|---|---|', ...secrets].join('\n'));
  return `\n${tables.join('\n\n')}\n`;
}

function between(readme: string, marker: string, table: string): string {
  const open = `<!-- ${marker} -->`;
  const close = `<!-- /${marker} -->`;
  const start = readme.indexOf(open);
  const end = readme.indexOf(close, start);
  if (start < 0 || end < 0) throw new Error(`the markers \`${open}\` and \`${close}\` are missing`);
  return `${readme.slice(0, start + open.length)}\n${table}\n${readme.slice(end)}`;
}

/** A bar would end the cell, a line break the row. */
function cell(text: string): string {
  return text
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|');
}

function defaultCell(value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value).trim();
  if (text === '') return '';
  return text
    .split('\n')
    .map((line) => `\`${cell(line)}\``)
    .join('<br>');
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Every page with generated tables, and how it is brought up to date. */
function pages(): readonly (readonly [string, (text: string) => string])[] {
  const actions = actionNames().map((name): [string, (text: string) => string] => [
    `actions/${name}/README.md`,
    (text) => withTables(text, parse(read(`actions/${name}/action.yml`))),
  ]);
  return [...actions, [WORKFLOWS_PAGE, (text) => withWorkflows(text, (name) => read(`.github/workflows/${name}`))]];
}

/** @returns what is wrong, one line a page; empty when every table is right. */
function update(check: boolean): readonly string[] {
  return pages().flatMap(([path, updated]) => {
    try {
      const before = read(path);
      const after = updated(before);
      if (after === before) return [];
      if (check) return [`${path}: its tables are not those of its source. Run: npm run readme`];
      writeFileSync(join(root, path), after);
      return [];
    } catch (error) {
      return [`${path}: ${error instanceof Error ? error.message : error}`];
    }
  });
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const wrong = update(process.argv.includes('--check'));
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
