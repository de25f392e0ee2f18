import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readInputs } from '@cd-actions/shared/action/inputs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Action, actionFolders, loadAction, ROOT } from './actions.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const documents = globSync(['*.md', 'docs/**/*.md', 'actions/*/README.md', 'workflows-examples/*.md'], {
  cwd: ROOT,
}).sort();
const workflows = globSync(['workflows-examples/*.yml', '.github/workflows/*.yml'], { cwd: ROOT }).sort();
const actions = new Map(
  await Promise.all(actionFolders().map(async (name): Promise<[string, Action]> => [name, await loadAction(name)])),
);

interface Step {
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string | number | boolean>>;
}

/** Every step that uses an action of the suite, wherever it stands in a YAML text. */
function steps(yaml: unknown): readonly Step[] {
  if (Array.isArray(yaml)) return yaml.flatMap(steps);
  if (typeof yaml !== 'object' || yaml === null) return [];
  const own = /^org\/cd-actions\/[a-z-]+@/.test(String((yaml as Step).uses ?? '')) ? [yaml as Step] : [];
  return [...own, ...Object.values(yaml).flatMap(steps)];
}

/** What a step would be refused for. `whole`: it stands in a workflow, not in a snippet that leaves things out. */
function wrongWith(step: Step, whole: boolean): readonly string[] {
  const name = /\/([a-z-]+)@/.exec(step.uses ?? '')?.[1] ?? '';
  const action = actions.get(name);
  if (!action) return [`${name} is no action`];
  const given = Object.entries(step.with ?? {});
  const unknown = given
    .filter(([input]) => !(input in action.inputs))
    .map(([input]) => `${name} has no input ${input}`);
  const missing = Object.entries(action.inputs)
    .filter(([input, { required }]) => whole && required && !given.some(([each]) => each === input))
    .map(([input]) => `${name} needs ${input}`);
  const refused = given.flatMap(([input, value]) => {
    const definition = action.inputs[input];
    if (!definition || String(value).includes('${{')) return [];
    try {
      readInputs({ [input]: definition }, () => String(value).trim());
      return [];
    } catch (error) {
      return [String(error)];
    }
  });
  return [...unknown, ...missing, ...refused];
}

describe.each(documents)('%s', (path) => {
  const text = read(path);
  const prose = text.replaceAll(/```[\s\S]*?```/g, '');

  it('links to files that are there', () => {
    const targets = [...prose.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(
      ([, target = '']) => target,
    );
    expect(targets.filter((target) => !existsSync(resolve(ROOT, dirname(path), target)))).toEqual([]);
  });

  it('shows only steps that the actions take', () => {
    const blocks = [...text.matchAll(/```ya?ml\n([\s\S]*?)```/g)].map(([, block = '']) => parse(block));
    const whole = (block: unknown): boolean => typeof block === 'object' && block !== null && 'jobs' in block;
    expect(blocks.flatMap((block) => steps(block).flatMap((step) => wrongWith(step, whole(block))))).toEqual([]);
  });
});

describe.each(workflows)('%s', (path) => {
  const workflow = parse(read(path)) as Readonly<Record<string, unknown>>;

  it('uses actions as they are', () => {
    expect(steps(workflow).flatMap((step) => wrongWith(step, true))).toEqual([]);
  });

  it('asks for no more permissions than it states, and ends some time', () => {
    expect(workflow['permissions']).toBeDefined();
    // A job that calls a workflow may not have one.
    const jobs = Object.values(
      workflow['jobs'] as Record<string, { 'timeout-minutes'?: number; uses?: string }>,
    ).filter(({ uses }) => uses === undefined);
    expect(jobs.map((job) => typeof job['timeout-minutes'])).toEqual(jobs.map(() => 'number'));
  });
});

describe('docs/troubleshooting.md', () => {
  it('has headings that the suite really says', () => {
    const sources = globSync(['packages/shared/src/**/*.ts', 'actions/*/src/*.ts'], { cwd: ROOT }).map(read).join('\n');
    const headings = [...read('docs/troubleshooting.md').matchAll(/^### `(.+)`$/gm)].map(([, heading = '']) => heading);
    expect(headings.length).toBeGreaterThan(20);
    const parts = headings.flatMap((heading) => heading.split('…').map((part) => part.trim()));
    expect(parts.filter((part) => part !== '' && !sources.includes(part))).toEqual([]);
  });
});

describe('README.md', () => {
  it('shows the minimal workflow as it stands in workflows-examples', () => {
    const block = /```yaml\n(name: Deliver[\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
    const own = parse(block);
    const example = parse(read('workflows-examples/minimal.yml'));
    // The example keeps credentials out of the checkout besides; the page leaves that for later.
    delete example.jobs.deliver.steps[0].with;
    expect(own).toEqual(example);
  });

  it('lists every action', () => {
    for (const name of actions.keys()) expect(read('README.md')).toContain(`(actions/${name}/README.md)`);
  });
});
