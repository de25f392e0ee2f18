// Bundles every action into dist/<name>/, the packages they use once into dist/vendor/, and writes dist/licenses.txt. The same
// sources give the same bytes. `npm run build -- --out DIR` writes elsewhere.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { BUILD, emit, importedPackages } from './build/emit.ts';
import { licensesOf } from './build/licenses.ts';
import { type Bundle, bundle, ROOT } from './build/ncc.ts';
import { folderOf, vendor } from './build/vendor.ts';

const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'dist') } } });
const out = resolve(values.out);

const made = new Map<string, Bundle>();
let failed = 0;

function size(folder: string, { files }: Bundle): string {
  const all = [...files.values()].map((source) => Buffer.from(source));
  const kilobytes = (lengths: readonly number[]): number =>
    Math.ceil(lengths.reduce((sum, each) => sum + each, 0) / 1024);
  const packed = all.map((source) => gzipSync(source).length);
  return `${folder}: ${kilobytes(all.map((source) => source.length))} KB, ${kilobytes(packed)} KB packed`;
}

function add(folder: string, bundled: Bundle): void {
  made.set(folder, bundled);
  console.log(size(folder, bundled));
}

/** All at once and at the end: what is in `dist` works while the next is made. */
function write(): void {
  rmSync(out, { recursive: true, force: true });
  for (const [folder, { files }] of made) {
    mkdirSync(join(out, folder), { recursive: true });
    for (const [name, source] of files) writeFileSync(join(out, folder, name), source);
  }
  writeFileSync(join(out, 'licenses.txt'), licensesOf([...made.values()].flatMap(({ sources }) => sources)));
}

// ncc names modules by their path from the working directory.
process.chdir(ROOT);
emit();
const packages = importedPackages();
for (const [folder, bundled] of await vendor(packages)) add(join('vendor', folder), bundled);
const externals = Object.fromEntries(packages.map((name) => [name, `../vendor/${folderOf(name)}/index.js`]));
const entry = (name: string): string => join(BUILD, 'actions', name, 'src/index.js');
const actions = readdirSync(join(ROOT, 'actions')).filter((name) => existsSync(entry(name)));
for (const name of actions.sort()) {
  try {
    add(name, await bundle(entry(name), externals));
  } catch (error) {
    failed += 1;
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
write();
process.exitCode = failed > 0 ? 1 : 0;
