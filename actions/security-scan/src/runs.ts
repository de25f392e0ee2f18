import { plural } from '@cd-actions/shared/gates/scan/gate';
import type { ScannedImage } from '@cd-actions/shared/gates/scan/report';
import { type EngineRun, runScanner, type ScanTarget, skipped } from '@cd-actions/shared/gates/scan/scanner';
import { type Inputs, OF_IMAGE, SCANNERS, type ScannerName } from './inputs.ts';
import type { Deps } from './main.ts';

/** The image, or why it cannot be had; an empty reason: none is given. */
export type Found = ScannedImage | { readonly unavailable: string };

/** Runs the engines that are asked for, one after the other; when none is, all that have something to look at. */
export async function runAll(inputs: Inputs, deps: Deps, image: Found): Promise<readonly EngineRun[]> {
  const exported = onceMore(async (signal) => {
    if ('unavailable' in image) throw new Error(image.unavailable);
    return deps.exportImage(image.id, signal);
  });
  const target: ScanTarget = {
    image: 'id' in image ? image.id : '',
    url: inputs['target-url'],
    archive: exported,
  };
  const runs: EngineRun[] = [];
  for (const name of SCANNERS) {
    if (!isWanted(name, inputs)) continue;
    const run = await runOne(name, inputs, deps, target, image);
    deps.log.info(outcome(run));
    runs.push(run);
  }
  return runs;
}

function isWanted(name: ScannerName, inputs: Inputs): boolean {
  if (inputs.scanners.length > 0) return inputs.scanners.includes(name);
  return OF_IMAGE.includes(name) ? inputs.image !== '' : inputs['target-url'] !== '';
}

async function runOne(
  name: ScannerName,
  inputs: Inputs,
  deps: Deps,
  target: ScanTarget,
  image: Found,
): Promise<EngineRun> {
  const required = inputs.scanners.includes(name);
  if (OF_IMAGE.includes(name) && 'unavailable' in image) return skipped(name, image.unavailable, true);
  const scanner = deps.scanners.find((each) => each.name === name);
  if (!scanner) return skipped(name, 'it is not part of this build of the action', required);
  const options = { required, timeout: inputs.timeout, signal: deps.signal, now: deps.now };
  return runScanner(scanner, target, options);
}

/** The same result for whoever asks; a failure is not kept, because it may be that of one caller's deadline. */
function onceMore<T>(work: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let kept: Promise<T> | null = null;
  return (signal) => {
    kept ??= work(signal).catch((error: unknown) => {
      kept = null;
      throw error;
    });
    return kept;
  };
}

function outcome(run: EngineRun): string {
  const seconds = (run.milliseconds / 1000).toFixed(1);
  if (run.status === 'ran') return `${run.engine}: ${plural(run.findings.length, 'finding')} in ${seconds} s.`;
  return run.status === 'failed'
    ? `${run.engine} failed after ${seconds} s: ${run.reason}`
    : `${run.engine} did not run: ${run.reason}`;
}
