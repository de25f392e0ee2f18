import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Scanned } from './main.ts';

export const outputs = {
  verdict: ({ scan }) => scan.decision.verdict,
  findings: ({ scan }) => scan.decision.findings.length,
  critical: ({ scan }) => scan.decision.counts.critical,
  high: ({ scan }) => scan.decision.counts.high,
  medium: ({ scan }) => scan.decision.counts.medium,
  low: ({ scan }) => scan.decision.counts.low,
  new: ({ scan }) => scan.decision.comparison?.fresh.length ?? '',
  fixed: ({ scan }) => scan.decision.comparison?.fixed.length ?? '',
  unchanged: ({ scan }) => scan.decision.comparison?.unchanged ?? '',
  'sarif-file': ({ sarifFile }) => sarifFile,
  'report-file': ({ reportFile }) => reportFile,
  'sbom-file': ({ scan }) => scan.sbom?.file ?? '',
} satisfies Outputs<Scanned>;
