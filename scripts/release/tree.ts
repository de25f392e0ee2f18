import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { parse } from 'yaml';

/** What a release tree is made of. */
export interface ReleaseOptions {
  /** A checkout of main. */
  readonly source: string;
  /** The bundles: what `npm run build` made of that checkout. */
  readonly dist: string;
  /** Where the tree goes; what stands there is replaced. */
  readonly out: string;
  /** `1.2.3` */
  readonly version: string;
  /** `owner/name` of the repository that publishes it. */
  readonly repository: string;
}

/** The repository's name as the sources write it. */
export const PLACEHOLDER = 'org/cd-actions';

/** Documents and licence, as they stand in main. */
const DOCUMENTS = ['LICENSE', '*.md', 'docs/**/*.md', 'workflows-examples/*'];

/** What no job runs stays out of the archive that every job downloads. */
const ATTRIBUTES = `* -text
dist/** linguist-generated=true -diff
/.github export-ignore
/docs export-ignore
/workflows-examples export-ignore
`;

/**
 * Writes the tree that a release tag points to: every action in a root folder, so that `owner/name/switch-traffic@v1` finds it, the bundles,
 * the reusable workflows with the suite's own actions at exactly this version, the documents, and SHA256SUMS over all of it.
 * @throws Error when a value has the wrong form, or when the tree would not be whole.
 */
export function releaseTree(options: ReleaseOptions): void {
  const { source, out } = options;
  if (!/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$/.test(options.version))
    throw new Error(`The version has the form 1.2.3, not ${JSON.stringify(options.version)}.`);
  if (!/^[A-Za-z0-9](-?[A-Za-z0-9])*\/[A-Za-z0-9._-]+$/.test(options.repository))
    throw new Error(`The repository has the form owner/name, not ${JSON.stringify(options.repository)}.`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, '.gitattributes'), ATTRIBUTES);
  cpSync(options.dist, join(out, 'dist'), { recursive: true });
  for (const file of globSync(DOCUMENTS, { cwd: source })) write(options, file);
  for (const name of actionsOf(source)) writeAction(options, name);
  for (const file of reusableWorkflows(source)) write(options, file);
  writeFileSync(join(out, 'SHA256SUMS'), checksums(out));
}

export function actionsOf(source: string): readonly string[] {
  return readdirSync(join(source, 'actions'))
    .filter((name) => existsSync(join(source, 'actions', name, 'action.yml')))
    .sort();
}

function reusableWorkflows(source: string): readonly string[] {
  return globSync('.github/workflows/*.yml', { cwd: source })
    .filter((file) => 'workflow_call' in Object(parse(readFileSync(join(source, file), 'utf8')).on))
    .sort();
}

function writeAction(options: ReleaseOptions, name: string): void {
  write(options, `actions/${name}/README.md`);
  const manifest = readFileSync(join(options.source, 'actions', name, 'action.yml'), 'utf8');
  const moved = manifest.replaceAll('../../dist/', '../dist/');
  writeFileSync(join(options.out, name, 'action.yml'), moved);
  const { main, post } = parse(moved).runs as { main: string; post?: string };
  for (const file of [main, ...(post === undefined ? [] : [post])]) {
    if (!existsSync(join(options.out, name, file)))
      throw new Error(`${name}/action.yml names ${file}, which is not there.`);
  }
}

/** Where a file of main stands in the tree. */
function placed(file: string): string {
  return file.replace(/^actions\/(?=[^/]+\/)/, '');
}

function write(options: ReleaseOptions, file: string): void {
  const path = join(options.out, placed(file));
  mkdirSync(dirname(path), { recursive: true });
  const text = readFileSync(join(options.source, file), 'utf8');
  writeFileSync(path, file.endsWith('.md') ? withLinks(named(options, text, file), file) : named(options, text, file));
}

/** The repository by its real name; in a reusable workflow the suite's own actions at exactly this version, or a run could mix two releases. */
function named({ repository, version }: ReleaseOptions, text: string, file: string): string {
  const exact = file.startsWith('.github/')
    ? text.replaceAll(/^( +(?:- )?uses: org\/cd-actions\/\S+)@v1$/gm, `$1@v${version}`)
    : text;
  return exact.replaceAll(PLACEHOLDER, repository);
}

/** Relative links lead to where the files now stand. */
function withLinks(text: string, file: string): string {
  return text.replaceAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)/g, (_, target: string, anchor = '') => {
    const wanted = placed(posix.normalize(posix.join(posix.dirname(file), target)));
    return `](${posix.relative(posix.dirname(placed(file)), wanted)}${anchor})`;
  });
}

/** As `sha256sum --check` reads it. */
function checksums(directory: string): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
  const sum = (file: string): string =>
    createHash('sha256')
      .update(readFileSync(join(directory, file)))
      .digest('hex');
  return files.map((file) => `${sum(file)}  ${file}\n`).join('');
}
