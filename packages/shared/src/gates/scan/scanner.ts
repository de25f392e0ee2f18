import { messageOf, UserError } from '../../domain/errors.ts';
import type { Finding } from './finding.ts';

/** What is to be scanned. An empty string: not given. */
export interface ScanTarget {
  readonly image: string;
  readonly url: string;
  /** The image as `docker save` writes it, exported once for all engines that read a file. Rejects when it cannot be exported. */
  readonly archive: (signal: AbortSignal) => Promise<string>;
}

/** What one engine brought back from its work. */
export interface ScanResult {
  readonly findings: readonly Finding[];
  /** Database dates, figures: kept in the report and as evidence. */
  readonly facts: Readonly<Record<string, string>>;
  /** What this engine could look at but did not, in words; empty when it saw everything it knows to look at. */
  readonly notChecked: readonly string[];
  /** What it is there for and could not do, such as look for vulnerabilities without a database. A required engine owes it. */
  readonly incomplete: readonly string[];
  /** Of an engine that tells its version only while it runs. */
  readonly version?: string;
}

/** Thrown by a scan that cannot even begin here, through no fault of the image: a missing program, a missing database. */
export class CannotBegin extends Error {
  override readonly name = 'CannotBegin';
}

/** One engine. `scan` rejects when it could not do its work, with a message that says why and what to do. */
export interface Scanner {
  readonly name: string;
  readonly version: string;
  scan(target: ScanTarget, signal: AbortSignal): Promise<ScanResult>;
}

/** What became of one engine in a scan. */
export interface EngineRun extends ScanResult {
  readonly engine: string;
  readonly version: string;
  /** `failed`: it began and could not finish. `skipped`: it was not begun, because it is absent, not supported or has nothing to look at. */
  readonly status: 'ran' | 'failed' | 'skipped';
  /** Why it failed or was skipped; empty when it ran. */
  readonly reason: string;
  /** Without its work the scan is inconclusive. */
  readonly required: boolean;
  readonly milliseconds: number;
}

/** An engine that is not begun. */
export function skipped(engine: string, reason: string, required: boolean): EngineRun {
  const nothing = { findings: [], facts: {}, notChecked: [], incomplete: [] };
  return { engine, version: '', status: 'skipped', reason, required, milliseconds: 0, ...nothing };
}

/**
 * Runs one engine within `timeout` milliseconds. A failure is its result, never thrown: the others still run and the report says what
 * was not looked at. An engine that does not heed its signal is left behind. Only a cancelled run (`signal`) throws.
 */
export async function runScanner(
  scanner: Scanner,
  target: ScanTarget,
  options: {
    readonly required: boolean;
    readonly timeout: number;
    readonly signal: AbortSignal;
    readonly now: () => number;
  },
): Promise<EngineRun> {
  const begun = options.now();
  const deadline = AbortSignal.timeout(options.timeout);
  const signal = AbortSignal.any([options.signal, deadline]);
  const run = { engine: scanner.name, version: scanner.version, required: options.required };
  try {
    options.signal.throwIfAborted();
    const result = await Promise.race([scanner.scan(target, signal), aborted(signal)]);
    return {
      ...run,
      ...result,
      version: result.version ?? run.version,
      status: 'ran',
      reason: '',
      milliseconds: options.now() - begun,
    };
  } catch (error) {
    options.signal.throwIfAborted();
    const reason = deadline.aborted ? `it did not finish within ${options.timeout / 1000} seconds` : reasonOf(error);
    return {
      ...skipped(run.engine, reason, run.required),
      ...run,
      status: error instanceof CannotBegin ? 'skipped' : 'failed',
      milliseconds: options.now() - begun,
    };
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function reasonOf(error: unknown): string {
  const remedy = error instanceof UserError && error.remedy ? ` ${error.remedy}` : '';
  return `${messageOf(error)}${remedy}`;
}
