import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD } from './emit.ts';
import { type Bundle, bundle, ROOT } from './ncc.ts';

/** The folder of a package under dist/vendor. */
export const folderOf = (name: string): string => name.replace('@', '').replace('/', '-');

/**
 * dockerode's BuildKit sessions: half a megabyte of gRPC that also wants `.proto` files beside it. The suite builds with
 * buildx or with the engine's own builder.
 */
const LEFT_OUT: Readonly<Record<string, string>> = {
  '@grpc/grpc-js': '../left-out/index.js',
  '@grpc/proto-loader': '../left-out/index.js',
};

const LEFT_OUT_CODE = `'use strict';
module.exports = new Proxy({}, {
  get(_, name) {
    throw new Error('This part of a package is left out of the bundle: ' + String(name));
  },
});
`;

/** Only a request through a proxy needs undici; it takes longer to load than everything else of the toolkit. */
const LAZY = 'undici';

const LAZY_CODE = `'use strict';
let loaded;
module.exports = new Proxy({}, { get: (_, name) => (loaded ??= require('./undici.js'))[name] });
`;

/** Every package once, for all actions: by folder, the files and what they were made of. */
export async function vendor(names: readonly string[]): Promise<ReadonlyMap<string, Bundle>> {
  const bundles = new Map<string, Bundle>();
  const shared = { ...LEFT_OUT, [LAZY]: `../${LAZY}/index.js` };
  for (const name of names) bundles.set(folderOf(name), await bundle(entryOf(name), shared));
  const undici = await bundle(entryOf(LAZY), {});
  bundles.set(LAZY, {
    sources: undici.sources,
    files: new Map([...undici.files, ['undici.js', undici.files.get('index.js') ?? ''], ['index.js', LAZY_CODE]]),
  });
  bundles.set('left-out', { sources: [], files: new Map([['index.js', LEFT_OUT_CODE]]) });
  return bundles;
}

/** A CommonJS-shaped file for any package: ncc makes ES modules of packages that are, which the actions could not require late. */
function entryOf(name: string): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')) as {
    type?: string;
  };
  const file = join(BUILD, 'vendor', `${folderOf(name)}.js`);
  mkdirSync(join(BUILD, 'vendor'), { recursive: true });
  writeFileSync(
    file,
    manifest.type === 'module' ? `export * from '${name}';\n` : `module.exports = require('${name}');\n`,
  );
  return file;
}
