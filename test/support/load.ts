import os from 'node:os';
import type { LoadResult } from '@cd-actions/shared/gates/load/result';

/**
 * Lets this process and what it starts from now on go before the others on a busy machine, where the system allows it: accuracy tests measure the
 * engine, not the neighbours. Returns what undoes it.
 */
export function goFirst(): () => void {
  const before = os.getPriority();
  try {
    os.setPriority(-20);
  } catch {
    return () => {};
  }
  return () => os.setPriority(before);
}

/** The value below which `percent` of the values lie (nearest rank). */
export function percentileOf(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/**
 * How far below and above the truth a figure may lie: 5 % or 2 ms. Above, also by as long as the machine kept the server's process or the engine from
 * running (both measure it): that is really waited, and no other observer's time would be shorter.
 */
export function bounds(truth: number, result: LoadResult, heldUp: number): readonly [number, number] {
  const allowed = Math.max(truth * 0.05, 2);
  return [truth - allowed, truth + allowed + heldUp + (result.generator?.lagMax ?? 0)];
}
