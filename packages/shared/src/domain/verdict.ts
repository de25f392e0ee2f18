/** What a gate decides. `inconclusive`: it could not do its work; that is never a pass. */
export type Verdict = 'pass' | 'fail' | 'inconclusive';

/** The worst of several verdicts; nothing judged is inconclusive. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('fail')) return 'fail';
  if (verdicts.includes('inconclusive') || verdicts.length === 0) return 'inconclusive';
  return 'pass';
}

/** A gate's verdict about one image, kept in the registry under the image's digest. */
export interface Evidence {
  readonly gate: string;
  readonly verdict: Verdict;
  /** ISO 8601. */
  readonly at: string;
  /** SHA-256 of the report file, hexadecimal. */
  readonly reportDigest: string;
  /** Tool versions, database dates, figures. */
  readonly facts: Readonly<Record<string, string>>;
  readonly runUrl: string;
}
