/**
 * Writes the tables of inputs and outputs into every action's README, between its markers, from its `action.yml`.
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

/** @returns what is wrong, one line an action; empty when every table is right. */
function update(check: boolean): readonly string[] {
  return actionNames().flatMap((name) => {
    const path = join(root, 'actions', name, 'README.md');
    try {
      const before = readFileSync(path, 'utf8');
      const after = withTables(before, parse(readFileSync(join(root, 'actions', name, 'action.yml'), 'utf8')));
      if (after === before) return [];
      if (check) return [`actions/${name}/README.md: its tables are not those of action.yml. Run: npm run readme`];
      writeFileSync(path, after);
      return [];
    } catch (error) {
      return [`actions/${name}/README.md: ${error instanceof Error ? error.message : error}`];
    }
  });
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const wrong = update(process.argv.includes('--check'));
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
