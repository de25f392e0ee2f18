import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Scanned } from './main.ts';

export const outputs = {
  verdict: ({ scan }) => scan.decision.verdict,
  findings: ({ scan }) => scan.decision.findings.length,
  critical: ({ scan }) => scan.decision.counts.critical,
  high: ({ scan }) => scan.decision.counts.high,
  medium: ({ scan }) => scan.decision.counts.medium,
  low: ({ scan }) => scan.decision.counts.low,
  'sarif-file': ({ sarifFile }) => sarifFile,
  'report-file': ({ reportFile }) => reportFile,
} satisfies Outputs<Scanned>;
