import { createHash } from 'node:crypto';
import type { Log, Registry } from '@cd-actions/shared/delivery/ports';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';
import { deploymentId } from '@cd-actions/shared/domain/names';
import type { Baseline } from '@cd-actions/shared/gates/scan/compare';
import { dockerfileLine } from '@cd-actions/shared/gates/scan/dockerfile';
import { decide, plural } from '@cd-actions/shared/gates/scan/gate';
import { parseIgnoreFile } from '@cd-actions/shared/gates/scan/ignore';
import { POLICY_VERSION } from '@cd-actions/shared/gates/scan/policy/scan';
import { type Sbom, type Scan, type ScannedImage, scanReport } from '@cd-actions/shared/gates/scan/report';
import { toSarif } from '@cd-actions/shared/gates/scan/sarif';
import type { Scanner } from '@cd-actions/shared/gates/scan/scanner';
import { baselineOf, evidenceOf, gateOf, record } from './evidence.ts';
import type { Inputs } from './inputs.ts';
import { type Found, runAll } from './runs.ts';

export interface Deps {
  /** One of every name in `SCANNERS`; a tool that is not here says so when it is to scan. */
  readonly scanners: readonly Scanner[];
  /** What the Docker engine has under a reference; null when it has nothing and must not pull. Throws when it cannot be had. */
  readonly findImage: (reference: string) => Promise<ScannedImage | null>;
  /** An image by its id as a file, in the form of `docker save`. Called at most once at a time; again after a failure. */
  readonly exportImage: (id: string, signal: AbortSignal) => Promise<string>;
  /** The bill of materials that a scanner has written; null when none has. */
  readonly sbom: () => Sbom | null;
  /** Null when evidence is not wanted. */
  readonly registry: Pick<Registry, 'read' | 'evidence' | 'putEvidence'> | null;
  readonly runUrl: string;
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

/** Reads the ignore file, runs the scanners, decides, writes report and SARIF whatever was decided, and records the evidence. */
export async function main(inputs: Inputs, deps: Deps): Promise<Scanned> {
  const ignores = await readIgnores(inputs['ignore-file'], deps);
  const image = await locate(inputs.image, deps);
  const runs = await runAll(inputs, deps, image);
  const gate = gateOf(runs.map(({ engine }) => engine));
  const baseline = await findBaseline(inputs, deps, gate);
  const policy = {
    severity: inputs.severity,
    failOn: inputs['fail-on'],
    ignoreUnfixed: inputs['ignore-unfixed'],
    ignores,
    newOnly: inputs['fail-on-new-only'],
  };
  const now = deps.now();
  const found = 'id' in image ? image : null;
  const decided: Scan = {
    at: new Date(now).toISOString(),
    image: found,
    url: inputs['target-url'],
    policy,
    runs,
    decision: decide(runs, policy, now, baseline),
    sbom: deps.sbom(),
  };
  const dockerfile = await deps.read(inputs.file).catch(() => '');
  const sarifFile = await writeSarif(inputs, deps, decided, dockerfile);
  const { scan, reportFile } = await writeAndRecord(inputs, deps, decided, gate);
  return { scan, message: message(scan), dockerfile, sarifFile, reportFile };
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
async function locate(reference: string, deps: Deps): Promise<Found> {
  if (reference === '') return { unavailable: '' };
  try {
    const found = await deps.findImage(reference);
    return found ?? { unavailable: `Docker has no image ${reference}, and \`offline\` forbids to pull it.` };
  } catch (error) {
    deps.signal.throwIfAborted();
    const remedy = error instanceof UserError && error.remedy ? ` ${error.remedy}` : '';
    return { unavailable: `${messageOf(error)}${remedy}` };
  }
}

/** A comparison is a help: without one everything counts as new, so that none of it passes for known. */
async function findBaseline(inputs: Inputs, deps: Deps, gate: string): Promise<Baseline | null> {
  if (!deps.registry || inputs.app === '') return null;
  try {
    const found = await baselineOf(deps.registry, deploymentId(inputs.app, inputs.environment), gate);
    if (!found) deps.log.info('There is no scan of a live version to compare with: all findings count as new.');
    return found;
  } catch (error) {
    deps.log.warning(
      `The last scan of the live version cannot be read: ${messageOf(error)} All findings count as new.`,
    );
    return null;
  }
}

function message({ decision, policy }: Scan): string {
  if (decision.verdict !== 'pass') return decision.reasons.join(' ');
  const reported = decision.findings.length === 0 ? 'Nothing found' : `${plural(decision.findings.length, 'finding')}`;
  const kind = policy.newOnly && decision.comparison ? 'new and ' : '';
  return policy.failOn === 'none'
    ? `${reported}; nothing fails this step.`
    : `${reported}, none ${kind}${policy.failOn} or worse.`;
}

async function writeSarif(inputs: Inputs, deps: Deps, scan: Scan, dockerfile: string): Promise<string> {
  const sarif = toSarif(scan.decision.findings, {
    toolVersion: POLICY_VERSION,
    target: scan.image?.reference ?? (inputs.image || inputs['target-url']),
    artifact: inputs.file,
    lineOf: ({ where }) => dockerfileLine(dockerfile, where),
  });
  if (sarif.omitted > 0)
    deps.log.warning(`The SARIF file leaves out ${sarif.omitted} of the least severe findings: GitHub takes no more.`);
  return deps.write(inputs['sarif-file'], 'security-scan.sarif', sarif.text);
}

/** Evidence that was wanted and could not be recorded is no pass: what stands on it would look for it in vain. */
async function writeAndRecord(inputs: Inputs, deps: Deps, scan: Scan, gate: string) {
  const write = (each: Scan) => deps.write(inputs['report-file'], 'security-scan.json', scanReport(each));
  const { registry, runUrl } = deps;
  const reportFile = await write(scan);
  if (!registry) return { scan, reportFile };
  try {
    if (!scan.image) throw new Error('the image could not be had');
    const digest = createHash('sha256').update(scanReport(scan)).digest('hex');
    await record(registry, scan.image, evidenceOf(scan, gate, digest, runUrl));
    deps.log.info(`Recorded as evidence \`${gate}\` of ${scan.image.digest || scan.image.id}.`);
    return { scan, reportFile };
  } catch (error) {
    const { decision } = scan;
    const reasons = [
      ...decision.reasons,
      `The evidence could not be recorded: ${messageOf(error).replace(/\.$/, '')}.`,
    ];
    const verdict = decision.verdict === 'fail' ? 'fail' : 'inconclusive';
    const doubted: Scan = { ...scan, decision: { ...decision, verdict, reasons } };
    return { scan: doubted, reportFile: await write(doubted) };
  }
}
