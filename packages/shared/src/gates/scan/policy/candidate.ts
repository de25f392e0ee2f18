import type { RuleId } from './rules.ts';

/** A fault seen in one entry of one layer. Whether it counts is known once all layers have been seen. */
export interface Candidate {
  readonly rule: RuleId;
  readonly layer: string;
  readonly path: string;
  /** From 1; null where no line can be named. */
  readonly line: number | null;
  /** What was seen, masked. */
  readonly detail: string;
  /** Counts only while no later layer hides it. A secret counts always: the layer can be read by itself. */
  readonly onlyVisible: boolean;
  /** Reported together with others of the same rule and group; empty: by itself. */
  readonly group: string;
  /** Bytes. */
  readonly size: number;
}
