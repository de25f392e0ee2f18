import type { Verdict } from '../../domain/verdict.ts';
import { type Baseline, type Comparison, compare } from './compare.ts';
import { atLeast, type Counts, countBySeverity, type Finding, mergeFindings, type Severity } from './finding.ts';
import { applyIgnores, type IgnoreEntry } from './ignore.ts';
import type { EngineRun } from './scanner.ts';

/** What is reported, apart from what fails. */
export interface ScanPolicy {
  /** The least severity that is reported. */
  readonly severity: Severity;
  /** The least severity that fails the gate; `none`: findings never do. */
  readonly failOn: Severity | 'none';
  /** Findings in packages that have no fixed version are neither reported nor failed on. */
  readonly ignoreUnfixed: boolean;
  readonly ignores: readonly IgnoreEntry[];
  /** Only findings that the baseline does not have fail the gate; without a baseline all are new. */
  readonly newOnly?: boolean;
}

/** What the gate decided, and of what. */
export interface ScanDecision {
  readonly verdict: Verdict;
  /** One sentence each, the gravest first. */
  readonly reasons: readonly string[];
  /** Those reported, the most severe first. */
  readonly findings: readonly Finding[];
  /** Those of `findings` that fail the gate. */
  readonly failing: readonly Finding[];
  readonly counts: Counts;
  /** Everything that was found, whatever of it is reported. */
  readonly all: readonly Finding[];
  /** With an earlier scan; null when there is none to compare with. */
  readonly comparison: Comparison | null;
  readonly ignored: readonly { readonly finding: Finding; readonly entry: IgnoreEntry }[];
  readonly expired: readonly IgnoreEntry[];
  readonly unused: readonly IgnoreEntry[];
  /** Left out because there is no fixed version yet. */
  readonly unfixed: number;
  /** Left out because they are less severe than what is reported. */
  readonly below: number;
}

/**
 * Fails on a finding of `failOn` or worse and on an expired ignore entry; is inconclusive when an engine failed, a required one did not
 * run or did a part of its work only, or none ran at all. A fault that was found outweighs work that could not be done.
 * @param now milliseconds since the epoch, for the expiry of ignore entries.
 * @param baseline what an earlier scan found, to compare with.
 */
export function decide(
  runs: readonly EngineRun[],
  policy: ScanPolicy,
  now: number,
  baseline: Baseline | null = null,
): ScanDecision {
  const all = mergeFindings(runs.flatMap((run) => run.findings));
  const fixable = policy.ignoreUnfixed ? all.filter((finding) => finding.fixedVersion !== null) : all;
  const { kept, ignored, expired, unused } = applyIgnores(fixable, policy.ignores, now);
  const findings = kept.filter((finding) => atLeast(finding.severity, policy.severity));
  const { failOn } = policy;
  const ran = runs.filter((run) => run.status === 'ran' && run.incomplete.length === 0).map((run) => run.engine);
  const comparison = baseline === null ? null : compare(all, baseline, ran);
  const severe = failOn === 'none' ? [] : findings.filter((finding) => atLeast(finding.severity, failOn));
  const known = policy.newOnly && comparison ? new Set(all.filter((each) => !comparison.fresh.includes(each))) : null;
  const failing = known ? severe.filter((finding) => !known.has(finding)) : severe;
  const failures = [
    ...(failing.length > 0
      ? [`${plural(failing.length, known ? 'new finding' : 'finding')} of severity ${failOn} or worse.`]
      : []),
    ...expired.map((entry) => `The ignore entry for ${entry.id} expired on ${entry.until}: renew or remove it.`),
  ];
  const doubts = doubtsOf(runs);
  return {
    verdict: failures.length > 0 ? 'fail' : doubts.length > 0 ? 'inconclusive' : 'pass',
    reasons: [...failures, ...doubts],
    findings,
    failing,
    counts: countBySeverity(findings),
    all,
    comparison,
    ignored,
    expired,
    unused,
    unfixed: all.length - fixable.length,
    below: kept.length - findings.length,
  };
}

function doubtsOf(runs: readonly EngineRun[]): readonly string[] {
  const doubts = [
    ...runs
      .filter((run) => run.status === 'failed' || (run.status === 'skipped' && run.required))
      .map((run) => `${run.engine} could not do its work: ${run.reason.replace(/\.$/, '')}.`),
    ...runs
      .filter((run) => run.required && run.incomplete.length > 0)
      .map((run) => `${run.engine} did a part of its work only: ${run.incomplete.join('; ').replace(/\.$/, '')}.`),
  ];
  return doubts.length === 0 && !runs.some((run) => run.status === 'ran') ? ['No scanner ran.'] : doubts;
}

/** `1 finding`, `2 findings`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
