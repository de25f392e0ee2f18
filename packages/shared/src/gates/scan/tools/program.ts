import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a program left behind. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string;
  /** The end of what it printed: no more than `MOST_OUTPUT` of each. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Characters kept of each stream: a scanner may print without end. */
const MOST_OUTPUT = 262_144;

/**
 * Runs a program to its end, with nothing on its standard input. An abort kills it and whatever it started, and rejects with the
 * signal's reason; so does a program that cannot be started.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly signal: AbortSignal;
  },
): Promise<Ended> {
  const { cwd, env, signal } = options;
  signal.throwIfAborted();
  // A group of its own, so that the end of a script is the end of what it started too.
  const child = spawn(program, args, { cwd, env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const kept = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (piece: string) => {
      kept[name] = (kept[name] + piece).slice(-MOST_OUTPUT);
    });
  }
  return new Promise<Ended>((resolve, reject) => {
    const onAbort = (): void => {
      killGroup(child);
      for (const name of ['stdout', 'stderr'] as const) child[name].destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const done = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    child.on('error', (error) => done(() => reject(error)));
    child.on('close', (code, ended) => done(() => resolve({ code, signal: ended ?? '', ...kept })));
  });
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

/** The absolute path of a program on `path` (as in the environment variable), or null. */
export function findProgram(name: string, path: string): string | null {
  for (const directory of path.split(delimiter)) {
    if (!directory.startsWith('/')) continue; // a relative entry would run what the checkout holds
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {}
  }
  return null;
}
