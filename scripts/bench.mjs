// `npm run bench [-- PART ...]`: what a switch does to requests, beside what others do. Runs on Node 20 with nothing installed: the
// set-up brings what is missing, the Node of the project among it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT, runtime, setup } from './setup.mjs';

async function main() {
  const parts = await setup();
  const missing = ['docker', 'redis', 'nginx', 'nginx-image', 'app-image'].filter((name) => !parts[name]?.ready);
  if (missing.length > 0) {
    for (const name of missing) console.error(`${name}: ${parts[name]?.reason}`);
    throw new Error('The bench measures real parts, which cannot be had here (see above).');
  }
  const node = runtime() ?? process.execPath;
  const env = { ...process.env, PATH: join(ROOT, 'node_modules/.bin') + delimiter + process.env.PATH };
  const run = (args) =>
    spawnSync(node, ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', ...args], { stdio: 'inherit', env }).status ?? 1;
  if (!existsSync(join(ROOT, 'dist/rollback/index.js')) && run([join(ROOT, 'scripts/build.ts')]) !== 0)
    throw new Error('dist cannot be built.');
  process.exitCode = run([join(ROOT, 'test/bench/main.ts'), ...process.argv.slice(2)]);
}

try {
  await main();
} catch (error) {
  console.error(`\nbench: ${error.message}`);
  process.exitCode = 1;
}
