import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs a program; its standard output. Rejects when it fails, or takes longer than two minutes. */
export async function shell(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}
