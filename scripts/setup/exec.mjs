import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The checkout. */
export const ROOT = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');

/** What the set-up leaves behind; never committed. */
export const CACHE = join(ROOT, '.cache');

/** Programs that took minutes to fetch or build serve every clone of this user. */
export const TOOLS = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'cd-actions');

/** Debian keeps daemons where the PATH of an ordinary user does not look. */
const DIRECTORIES = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  '/opt/homebrew/bin',
];

/** The absolute path of a program, or null. */
export function which(program) {
  for (const directory of DIRECTORIES) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return null;
}

/**
 * Runs a program to its end. Resolves to its exit code and output, never rejects; a program that is missing or takes longer
 * than `seconds` has code -1 and says so in `output`.
 */
export function run(program, args, { seconds = 60, cwd = ROOT, env = process.env, echo = false } = {}) {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, seconds * 1000);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
        if (echo) process.stdout.write(data);
      });
    }
    child.on('error', (error) => {
      clearTimeout(timer);
      done({ code: -1, output: `${output}${error.message}` });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      done(
        late
          ? { code: -1, output: `${output}\n${program} took longer than ${seconds} s` }
          : { code: code ?? -1, output },
      );
    });
  });
}

/** Starts a daemon that outlives this process, its output in a file. */
export function startDaemon(program, args, log) {
  const out = openSync(log, 'a');
  const child = spawn(program, args, { detached: true, stdio: ['ignore', out, out] });
  const state = { exited: false };
  child.on('error', () => (state.exited = true));
  child.on('exit', () => (state.exited = true));
  child.unref();
  return state;
}

/** The last line of some output that says anything. */
export function lastLine(output) {
  return output.trim().split('\n').at(-1)?.trim() ?? '';
}

/**
 * Holds the set-up's lock while `work` runs, so that two set-ups at once do not build the same image twice.
 * The lock of a process that is gone is taken over.
 */
export async function locked(work, { onWait }) {
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, 'setup.lock');
  for (let waited = false; ; ) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!holderLives(file)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!waited) onWait();
    waited = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function holderLives(file) {
  if (!existsSync(file)) return true;
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    // Empty: its holder is between creating the file and writing to it.
    if (!pid) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM' || error.code === 'ENOENT';
  }
}
