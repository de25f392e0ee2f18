import type { Severity } from '../finding.ts';

/** One thing that the built-in scanner looks for. A rule has one severity: what is graver in another case is another rule. */
export interface Rule {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  /** Why it matters. */
  readonly rationale: string;
  /** What to change, as an imperative sentence. */
  readonly remedy: string;
  /** The recommendation of the CIS Docker Benchmark 1.6, section 4 (images); empty where it has none. */
  readonly cis: string;
}

/** A rule as it is written down. */
export type RuleTuple = readonly [
  id: string,
  severity: Severity,
  cis: string,
  title: string,
  rationale: string,
  remedy: string,
];
