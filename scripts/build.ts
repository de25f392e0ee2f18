// Bundles every action into dist/<name>/, the packages they use once into dist/vendor/, and writes dist/licenses.txt. The same
// sources give the same bytes. `npm run build -- --out DIR` writes elsewhere.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { BUILD, emit, importedPackages } from './build/emit.ts';
import { licensesOf } from './build/licenses.ts';
import { type Bundle, bundle, ROOT } from './build/ncc.ts';
import { folderOf, vendor } from './build/vendor.ts';

const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'dist') } } });
const out = resolve(values.out);

function write(folder: string, made: Bundle): void {
  for (const [name, source] of made.files) {
    const file = join(out, folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, source);
  }
  const all = [...made.files.values()].map((source) => Buffer.from(source));
  const size = all.reduce((sum, source) => sum + source.length, 0);
  const packed = all.reduce((sum, source) => sum + gzipSync(source).length, 0);
  console.log(
    `${relative(ROOT, join(out, folder))}: ${Math.ceil(size / 1024)} KB, ${Math.ceil(packed / 1024)} KB packed`,
  );
}

// ncc names modules by their path from the working directory.
process.chdir(ROOT);
emit();
const packages = importedPackages();
const sources: string[] = [];
rmSync(out, { recursive: true, force: true });
for (const [folder, made] of await vendor(packages)) {
  write(join('vendor', folder), made);
  sources.push(...made.sources);
}
const externals = Object.fromEntries(packages.map((name) => [name, `../vendor/${folderOf(name)}/index.js`]));
const actions = readdirSync(join(ROOT, 'actions')).filter((name) =>
  existsSync(join(BUILD, 'actions', name, 'src/index.js')),
);
let failed = 0;
for (const name of actions.sort()) {
  try {
    const made = await bundle(join(BUILD, 'actions', name, 'src/index.js'), externals);
    write(name, made);
    sources.push(...made.sources);
  } catch (error) {
    failed += 1;
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
writeFileSync(join(out, 'licenses.txt'), licensesOf(sources));
process.exitCode = failed > 0 ? 1 : 0;
