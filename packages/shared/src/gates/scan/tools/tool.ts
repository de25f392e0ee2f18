import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ended, runProgram } from './program.ts';

/** Places as the tool sees them. */
export interface Places {
  /** The file handed in; empty when there is none. */
  readonly input: string;
  /** A directory of this session alone, where it may write. */
  readonly work: string;
  /** Where what outlives the session is kept, such as a database; empty: where the tool keeps it by itself. */
  readonly cache: string;
}

/** One piece of work with a tool: a directory and, perhaps, a file to look at. */
export interface ToolSession {
  readonly places: Places;
  /** @param env beside what the tool's environment is anyway. */
  run(args: readonly string[], signal: AbortSignal, env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** A file in `work` for the next run. */
  write(name: string, text: string): Promise<void>;
  /** A file that the tool wrote into `work`; null when there is none. @throws when it is larger than `MAX_REPORT`. */
  read(name: string): Promise<string | null>;
  close(): Promise<void>;
}

/** A scanner's program, wherever it runs. */
export interface Tool {
  /** For people: `/usr/bin/trivy`, or the container image. */
  readonly origin: string;
  /** @param input a file of this machine; empty for none. @param files written into `work` beforehand, by name. */
  open(input: string, files: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ToolSession>;
}

/** The largest report that is read. Bytes. A larger one is an error: a part of it would hide the rest. */
export const MAX_REPORT = 256 * 1_048_576;

export class ReportTooLarge extends Error {
  override readonly name = 'ReportTooLarge';
  constructor(name: string) {
    super(`the report ${name} is larger than ${MAX_REPORT / 1_048_576} MiB`);
  }
}

/**
 * A program of this machine. It runs in its session's directory, not in the checkout, so that no file there changes what it reports.
 * @param env its whole environment.
 */
export function localTool(
  program: string,
  options: { readonly temp: string; readonly env: Readonly<Record<string, string | undefined>> },
): Tool {
  return {
    origin: program,
    async open(input, files) {
      const work = await mkdtemp(join(options.temp, 'cd-actions-scan-'));
      for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text);
      return {
        places: { input, work, cache: '' },
        run: (args, signal, env = {}) =>
          runProgram(program, args, { cwd: work, env: { ...options.env, ...env }, signal }),
        write: (name, text) => writeFile(join(work, name), text),
        read: (name) => readLimited(join(work, name), name),
        close: () => rm(work, { recursive: true, force: true }),
      };
    },
  };
}

async function readLimited(path: string, name: string): Promise<string | null> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    if ((await file.stat()).size > MAX_REPORT) throw new ReportTooLarge(name);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** The last line a program printed that says something, bounded, for a message. */
export function lastWords({ stderr, stdout, code, signal }: Ended): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal
  const plain = (text: string) => text.replace(/\u001b\[[0-9;]*m/g, '').trim();
  const lines = (plain(stderr) || plain(stdout)).split('\n').filter((line) => line.trim() !== '');
  const words = (
    lines.findLast((line) => /error|fatal|fail/i.test(line)) ??
    lines.at(-1) ??
    'it printed nothing'
  ).trim();
  const end = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  return `it ${end}: ${words.slice(-600)}`;
}
