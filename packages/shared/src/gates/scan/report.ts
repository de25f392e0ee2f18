import { placeOf } from './finding.ts';
import type { ScanDecision, ScanPolicy } from './gate.ts';
import type { EngineRun } from './scanner.ts';

/** The image as it was scanned: what the evidence is recorded under. */
export interface ScannedImage {
  readonly reference: string;
  /** `sha256:…`, the id on the host. */
  readonly id: string;
  /** The registry's digest, or empty. */
  readonly digest: string;
}

/** A finished scan. */
export interface Scan {
  /** ISO 8601. */
  readonly at: string;
  /** Null when only an address was scanned, or the image could not be had. */
  readonly image: ScannedImage | null;
  readonly url: string;
  readonly policy: ScanPolicy;
  readonly runs: readonly EngineRun[];
  readonly decision: ScanDecision;
  /** The software bill of materials that an engine wrote. */
  readonly sbom: Sbom | null;
}

export interface Sbom {
  readonly file: string;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

/** Grows when a field changes its meaning. */
export const REPORT_VERSION = 1;

/** The report file: everything that was decided and of what, without any secret. */
export function scanReport({ at, image, url, policy, runs, decision, sbom }: Scan): string {
  const report = {
    version: REPORT_VERSION,
    at,
    image,
    url,
    verdict: decision.verdict,
    reasons: decision.reasons,
    severity: policy.severity,
    failOn: policy.failOn,
    ignoreUnfixed: policy.ignoreUnfixed,
    failOnNewOnly: policy.newOnly ?? false,
    counts: decision.counts,
    comparison: comparisonOf(decision),
    sbom: sbom === null ? null : { file: sbom.file, sha256: sbom.digest },
    leftOut: { unfixed: decision.unfixed, lessSevere: decision.below, ignored: decision.ignored.length },
    engines: runs.map(({ findings, ...run }) => ({ ...run, findings: findings.length })),
    findings: decision.findings,
    ignored: decision.ignored.map(({ finding, entry }) => ({
      ...finding,
      ignoredFor: entry.reason,
      until: entry.until,
    })),
    expiredIgnores: decision.expired,
    unusedIgnores: decision.unused,
  };
  return `${JSON.stringify(report, null, 1)}\n`;
}

function comparisonOf({ comparison }: ScanDecision): object | null {
  if (comparison === null) return null;
  const { version, at, fresh, fixed, unchanged } = comparison;
  return {
    version,
    at,
    unchanged,
    new: fresh.map(({ id, severity, where }) => ({ id, severity, where: placeOf(where) })),
    fixed: fixed.map(({ id, severity, place }) => ({ id, severity, where: place })),
  };
}
