import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import os from 'node:os';
import { promisify } from 'node:util';

/** Runs a program; its standard output. Rejects when it fails, or takes longer than two minutes. */
export async function shell(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/**
 * Lets this process, what it starts, and the containers go before whatever else the machine does, where the system allows it: the bench
 * is to measure the subjects, not the neighbours. Of the containers, what runs in them now and what that starts.
 */
export async function goFirst(containers: readonly string[]): Promise<void> {
  const lines = await Promise.all(containers.map((container) => shell('docker', ['top', container, '-eo', 'pid'])));
  const pids = lines.flatMap((line) => line.match(/\d+/g) ?? []).map(Number);
  for (const pid of [process.pid, ...pids]) {
    try {
      // The system keeps a priority for each thread: without the others, what runs on several would be put at a disadvantage.
      for (const thread of readdirSync(`/proc/${pid}/task`)) os.setPriority(Number(thread), -15);
    } catch {
      // It has ended, or this user may not.
    }
  }
}
