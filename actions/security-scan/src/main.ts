import type { Log } from '@cd-actions/shared/delivery/ports';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';
import { dockerfileLine } from '@cd-actions/shared/gates/scan/dockerfile';
import { decide, plural } from '@cd-actions/shared/gates/scan/gate';
import { parseIgnoreFile } from '@cd-actions/shared/gates/scan/ignore';
import { POLICY_VERSION } from '@cd-actions/shared/gates/scan/policy/scan';
import { type Scan, type ScannedImage, scanReport } from '@cd-actions/shared/gates/scan/report';
import { toSarif } from '@cd-actions/shared/gates/scan/sarif';
import { type EngineRun, runScanner, type Scanner, skipped } from '@cd-actions/shared/gates/scan/scanner';
import { type Inputs, SCANNERS } from './inputs.ts';

export interface Deps {
  /** Those that can run here. */
  readonly scanners: readonly Scanner[];
  /** What the Docker engine has under a reference; null when it has nothing and must not pull. Throws when it cannot be had. */
  readonly findImage: (reference: string) => Promise<ScannedImage | null>;
  /** The text of a file of the checkout; throws when it cannot be read. */
  readonly read: (path: string) => Promise<string>;
  /** Writes a file of the checkout, or by `fallback` a fresh temporary one when `path` is empty; returns its path. */
  readonly write: (path: string, fallback: string, text: string) => Promise<string>;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What came of a scan. */
export interface Scanned {
  readonly scan: Scan;
  /** One sentence or two: what was decided and why. */
  readonly message: string;
  readonly sarifFile: string;
  readonly reportFile: string;
  /** The Dockerfile's text; empty when it cannot be read. */
  readonly dockerfile: string;
}

/** Reads the ignore file, runs the scanners, decides, and writes report and SARIF whatever was decided. */
export async function main(inputs: Inputs, deps: Deps): Promise<Scanned> {
  const ignores = await readIgnores(inputs['ignore-file'], deps);
  const image = await locate(inputs.image, deps);
  const runs = await runAll(inputs, deps, image);
  const policy = {
    severity: inputs.severity,
    failOn: inputs['fail-on'],
    ignoreUnfixed: inputs['ignore-unfixed'],
    ignores,
  };
  const now = deps.now();
  const decision = decide(runs, policy, now);
  const scan: Scan = {
    at: new Date(now).toISOString(),
    image: 'id' in image ? image : null,
    url: inputs['target-url'],
    policy,
    runs,
    decision,
  };
  const dockerfile = await deps.read(inputs.file).catch(() => '');
  return { scan, message: message(scan), dockerfile, ...(await writeFiles(inputs, deps, scan, dockerfile)) };
}

async function readIgnores(path: string, deps: Deps) {
  if (path === '') return [];
  const text = await deps.read(path).catch((error: unknown) => {
    throw new UserError(
      `The ignore file ${path} cannot be read: ${messageOf(error)}.`,
      'Check the input `ignore-file`.',
    );
  });
  return parseIgnoreFile(path, text);
}

/** The image as it is now: scanned by its id, because a tag may be moved while a scan runs. */
async function locate(reference: string, deps: Deps): Promise<ScannedImage | { readonly unavailable: string }> {
  if (reference === '') return { unavailable: 'no image is given' };
  try {
    const found = await deps.findImage(reference);
    return found ?? { unavailable: `Docker has no image ${reference}, and \`offline\` forbids to pull it.` };
  } catch (error) {
    deps.signal.throwIfAborted();
    const remedy = error instanceof UserError && error.remedy ? ` ${error.remedy}` : '';
    return { unavailable: `${messageOf(error)}${remedy}` };
  }
}

async function runAll(
  inputs: Inputs,
  deps: Deps,
  image: Awaited<ReturnType<typeof locate>>,
): Promise<readonly EngineRun[]> {
  const runs: EngineRun[] = [];
  for (const name of SCANNERS) {
    const named = inputs.scanners.includes(name);
    if (inputs.scanners.length > 0 && !named) continue;
    const scanner = deps.scanners.find((each) => each.name === name);
    if (!scanner) {
      runs.push(skipped(name, 'it is not supported yet in this version', named));
    } else if ('unavailable' in image) {
      runs.push(skipped(name, image.unavailable, true));
    } else {
      const options = { required: named, timeout: inputs.timeout, signal: deps.signal, now: deps.now };
      const run = await runScanner(scanner, { image: image.id, url: inputs['target-url'] }, options);
      deps.log.info(outcome(run));
      runs.push(run);
    }
  }
  return runs;
}

function outcome(run: EngineRun): string {
  const seconds = (run.milliseconds / 1000).toFixed(1);
  return run.status === 'ran'
    ? `${run.engine}: ${plural(run.findings.length, 'finding')} in ${seconds} s.`
    : `${run.engine} failed after ${seconds} s: ${run.reason}`;
}

function message({ decision, policy }: Scan): string {
  if (decision.verdict !== 'pass') return decision.reasons.join(' ');
  const reported = decision.findings.length === 0 ? 'Nothing found' : `${plural(decision.findings.length, 'finding')}`;
  return policy.failOn === 'none'
    ? `${reported}; nothing fails this step.`
    : `${reported}, none ${policy.failOn} or worse.`;
}

async function writeFiles(inputs: Inputs, deps: Deps, scan: Scan, dockerfile: string) {
  const sarif = toSarif(scan.decision.findings, {
    toolVersion: POLICY_VERSION,
    target: scan.image?.reference ?? inputs.image,
    artifact: inputs.file,
    lineOf: ({ where }) => dockerfileLine(dockerfile, where),
  });
  if (sarif.omitted > 0)
    deps.log.warning(`The SARIF file leaves out ${sarif.omitted} of the least severe findings: GitHub takes no more.`);
  return {
    sarifFile: await deps.write(inputs['sarif-file'], 'security-scan.sarif', sarif.text),
    reportFile: await deps.write(inputs['report-file'], 'security-scan.json', scanReport(scan)),
  };
}
