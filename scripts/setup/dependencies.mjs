import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { lastLine, ROOT, run } from './exec.mjs';

/** Node's own stripping of types, which the scripts and the tests rely on, is on by default from here. */
const TYPES_STRIPPED_SINCE = [22, 18];

/** Installs the npm packages when they are missing or other than the lock file says. Throws when that fails. */
export async function installDependencies(log) {
  await install(log);
  linkRuntime();
}

/** Puts the project's Node first on the path of its programs and npm scripts; some versions of npm link it by themselves, some do not. */
function linkRuntime() {
  const link = join(ROOT, 'node_modules/.bin/node');
  const node = runtime();
  if (node && !existsSync(link)) symlinkSync(node, link);
}

async function install(log) {
  const stale = staleness();
  if (stale === null) return;
  log(`dependencies: installing (${stale})`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { code, output } = await run(npm, ['ci', '--no-audit', '--no-fund'], { seconds: 600 });
  if (code !== 0) throw new Error(`\`npm ci\` failed:\n${errorLines(output)}`);
  if (staleness() !== null) throw new Error(`\`npm ci\` left the packages incomplete: ${lastLine(output)}`);
}

/** What npm says before it tells how it is used. */
function errorLines(output) {
  const lines = output.split('\n').filter((line) => /^npm (error|ERR!)\s+\S/.test(line));
  return (lines.length > 0 ? lines : output.trim().split('\n')).slice(0, 12).join('\n');
}

/** Why the installed packages are not those of the lock file; null when they are. */
function staleness() {
  const marker = join(ROOT, 'node_modules/.package-lock.json');
  if (!existsSync(marker)) return 'none yet';
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(marker, 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    // Optional packages are for one platform each; links and the root carry no version of their own.
    if (!path.startsWith('node_modules/') || entry.optional || entry.devOptional || entry.link) continue;
    if (installed[path]?.version !== entry.version)
      return `${path.slice('node_modules/'.length)} is not ${entry.version}`;
  }
  return null;
}

/**
 * The Node that runs TypeScript: the one of the npm package, which is the runtime of the actions, else this one when it is new enough.
 * Null when there is none.
 */
export function runtime() {
  const own = join(ROOT, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (existsSync(own)) return own;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [atLeast, minorAtLeast] = TYPES_STRIPPED_SINCE;
  return major > atLeast || (major === atLeast && minor >= minorAtLeast) ? process.execPath : null;
}
