import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

export const ROOT = join(import.meta.dirname, '../..');

interface Output {
  readonly code: string;
  readonly assets: Readonly<Record<string, { readonly source: string | Buffer }>>;
  readonly stats: { readonly compilation: { readonly fileDependencies: Iterable<string> } };
}

type Ncc = (input: string, options: Readonly<Record<string, unknown>>) => Promise<Output>;

/** A module, bundled: its files by name, and the files it was made of. */
export interface Bundle {
  readonly files: ReadonlyMap<string, string>;
  readonly sources: readonly string[];
}

/** Optional native code and extras that packages try to load and do well without; anything else that is missing is a mistake. */
const OPTIONAL = [
  '../build/Release/cpufeatures.node',
  './crypto/build/Release/sshcrypto.node',
  'supports-color',
  'bufferutil',
  'utf-8-validate',
];

/** What must not reach `dist`: native code, and data files of what is left out. */
const UNWANTED = /(\.(node|proto|exe)$|(^|\/)LICENSE$)/;

/**
 * Bundles one JavaScript file with ncc. `externals` maps a module to where it is required from instead.
 * Throws on an import that resolves to nothing, which ncc reports by a bundle that fails when it is used.
 */
export async function bundle(entry: string, externals: Readonly<Record<string, string>>): Promise<Bundle> {
  const ncc = require('@vercel/ncc') as Ncc;
  const { code, assets, stats } = await ncc(entry, {
    minify: true,
    cache: false,
    quiet: true,
    target: 'es2023',
    externals,
  });
  for (const [name, { source }] of Object.entries(assets)) {
    if (UNWANTED.test(name)) continue;
    throw new Error(`${entry}: an unexpected file in the bundle: ${name} (${source.length} bytes)`);
  }
  refuseUnresolved(entry, code);
  return { files: new Map([['index.js', code]]), sources: [...stats.compilation.fileDependencies] };
}

function refuseUnresolved(where: string, code: string): void {
  const missing = [
    ...code.matchAll(/Cannot find module ["'`]([^"'`]+)["'`]/g),
    ...code.matchAll(/eval\("require"\)\(([^)]*)\)/g),
    ...code.matchAll(/webpackMissingModule/g),
  ].map((match) => match[1]?.replaceAll('"', '') ?? match[0]);
  const unexpected = missing.filter((name) => !OPTIONAL.includes(name));
  if (unexpected.length > 0) throw new Error(`${where}: imports what cannot be found: ${unexpected.join(', ')}`);
}
