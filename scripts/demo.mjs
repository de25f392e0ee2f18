// `npm run demo [-- path/to/app] [--keep] [--port N] [--health /path]`: delivers three versions of an application for real. Runs on
// Node 20 with nothing installed: the set-up brings what is missing, the Node of the project among it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, runtime, setup } from './setup.mjs';

const USAGE = 'npm run demo [-- path/to/app] [-- --keep] [-- --port 8080] [-- --health /healthz] [-- --seconds 4]';

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      keep: { type: 'boolean', default: false },
      port: { type: 'string' },
      health: { type: 'string' },
      seconds: { type: 'string' },
    },
  });
  if (positionals.length > 1) throw new Error(`One application at a time: ${USAGE}`);
  const [app] = positionals;
  if (app !== undefined && !existsSync(join(app, 'Dockerfile'))) throw new Error(`${app} has no Dockerfile.`);
  return { ...values, ...(app === undefined ? {} : { app }) };
}

async function main() {
  const chosen = options();
  const needs = ['dependencies', 'docker', 'nginx-image', 'redis-image', ...(chosen.app ? [] : ['node-image'])];
  const parts = await setup({ needs });
  const missing = Object.entries(parts).filter(([, part]) => !part.ready);
  if (missing.length > 0) {
    for (const [name, { reason }] of missing) console.error(`${name}: ${reason}`);
    throw new Error('The demo delivers to a real Docker engine, which cannot be had here (see above).');
  }
  const images = {
    nginx: parts['nginx-image'].value,
    redis: parts['redis-image'].value,
    node: parts['node-image']?.value,
  };
  const settings = { ...chosen, socket: parts.docker.value.socket, images };
  const node = runtime() ?? process.execPath;
  const { status } = spawnSync(node, [join(ROOT, 'scripts/demo/main.ts'), JSON.stringify(settings)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
}

try {
  await main();
} catch (error) {
  console.error(`\ndemo: ${error.message}`);
  process.exitCode = 1;
}
