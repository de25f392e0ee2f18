import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Verified } from './main.ts';

export const outputs: Outputs<Verified> = {
  verdict: (result) => result.verdict,
  checked: (result) => result.checked,
  failed: (result) => result.failed,
  'success-rate': (result) => Number((result.successRate * 100).toFixed(2)),
  p95: (result) => Number(result.p95.toFixed(1)),
  'served-versions': (result) => JSON.stringify(result.servedVersions),
  'report-file': (result) => result.reportFile,
  'diagnostics-path': (result) => result.diagnosticsPath,
};
