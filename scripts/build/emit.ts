import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './ncc.ts';

export const BUILD = join(ROOT, 'build');

/** TypeScript to JavaScript, laid out so that `@cd-actions/shared/…` resolves to what was emitted. Types are another command's work. */
export function emit(): void {
  rmSync(BUILD, { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json'), '--noCheck'], { stdio: 'inherit' });
  const shared = join(BUILD, 'packages/shared');
  writeFileSync(
    join(shared, 'package.json'),
    JSON.stringify({ name: '@cd-actions/shared', sideEffects: false, exports: { './*': './src/*.js' } }),
  );
  mkdirSync(join(BUILD, 'node_modules/@cd-actions'), { recursive: true });
  symlinkSync('../../packages/shared', join(BUILD, 'node_modules/@cd-actions/shared'));
  keepInOneFile();
}

/**
 * Keeps what is imported late in the bundle's one file: it still runs only when it is asked for, and ncc minifies only that file.
 */
function keepInOneFile(): void {
  for (const file of emittedFiles()) {
    const code = readFileSync(file, 'utf8');
    const marked = code.replaceAll(/\bimport\((?=['"])/g, 'import(/* webpackMode: "eager" */ ');
    if (marked !== code) writeFileSync(file, marked);
  }
}

function emittedFiles(): readonly string[] {
  const all = readdirSync(BUILD, { recursive: true, encoding: 'utf8' });
  return all
    .filter((file) => file.endsWith('.js') && !file.startsWith('node_modules'))
    .map((file) => join(BUILD, file));
}

/** The packages that the emitted code imports, in order. */
export function importedPackages(): readonly string[] {
  const found = new Set<string>();
  for (const file of emittedFiles()) {
    const code = readFileSync(file, 'utf8');
    for (const [, specifier = ''] of code.matchAll(
      /(?:\bfrom\s*|\bimport\s*\(?\s*(?:\/\*.*?\*\/\s*)?)['"]([^'"\n]+)['"]/g,
    )) {
      if (/^(\.|@cd-actions\/)/.test(specifier) || isBuiltin(specifier)) continue;
      if (!/^(@[a-z0-9._-]+\/)?[a-z0-9._-]+$/.test(specifier)) continue;
      found.add(specifier);
    }
  }
  return [...found].sort();
}
