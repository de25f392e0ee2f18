import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Inputs, Problem } from '@cd-actions/shared/action/inputs';
import type { Outputs } from '@cd-actions/shared/action/outputs';
import { parse } from 'yaml';
import contract from './contract.json' with { type: 'json' };

export const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)));

interface PublicAction {
  readonly inputs: Readonly<Record<string, { readonly required?: boolean; readonly default?: string }>>;
  readonly outputs: readonly string[];
}

/** What a user may rely on, by action: `contract.json` with the inputs shared by several actions written out. */
export const CONTRACT: Readonly<Record<string, PublicAction>> = Object.fromEntries(
  Object.entries(contract.actions).map(([name, action]) => {
    const shared = 'uses' in action ? action.uses : [];
    const groups = shared.map((group) => contract[group as 'deployment' | 'route'].inputs);
    return [name, { inputs: Object.assign({}, ...groups, action.inputs), outputs: action.outputs }];
  }),
);

/** An action as it stands in the repository. */
export interface Action {
  readonly name: string;
  readonly metadata: Metadata;
  readonly readme: string;
  readonly inputs: Inputs;
  readonly outputs: Outputs<never>;
  readonly check: ((values: never) => readonly Problem[]) | undefined;
}

/** `action.yml` (https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax). */
export interface Metadata {
  readonly name: string;
  readonly description: string;
  readonly author: string;
  readonly branding: { readonly icon: string; readonly color: string };
  readonly inputs: Readonly<Record<string, { description: string; required?: boolean; default?: string }>>;
  readonly outputs: Readonly<Record<string, { description: string }>>;
  readonly runs: Readonly<Record<string, string>>;
}

/** The folders of `actions/`; a folder without `action.yml` counts, so that a half-made action is noticed. */
export function actionFolders(): readonly string[] {
  return readdirSync(join(ROOT, 'actions'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

export async function loadAction(name: string): Promise<Action> {
  const folder = join(ROOT, 'actions', name);
  const source = (file: string) => import(pathToFileURL(join(folder, 'src', file)).href);
  const { inputs, check } = await source('inputs.ts');
  const { outputs } = await source('outputs.ts');
  const readme = join(folder, 'README.md');
  return {
    name,
    metadata: parse(readFileSync(join(folder, 'action.yml'), 'utf8')),
    readme: existsSync(readme) ? readFileSync(readme, 'utf8') : '',
    inputs,
    outputs,
    check,
  };
}
