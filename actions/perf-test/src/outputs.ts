import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { PerfResult } from './main.ts';

const ms = (value: number): number => Number(value.toFixed(3));

export const outputs: Outputs<PerfResult> = {
  verdict: ({ judgement }) => judgement.verdict,
  p50: ({ result }) => ms(result.latency.p50),
  p95: ({ result }) => ms(result.latency.p95),
  p99: ({ result }) => ms(result.latency.p99),
  rps: ({ result }) => Number(result.rps.toFixed(2)),
  requests: ({ result }) => result.requests,
  'error-rate': ({ result }) => Number((result.errorRate * 100).toFixed(4)),
  'longest-gap': ({ result }) => ms(result.longestGap),
  regression: () => '',
  'result-file': ({ resultFile }) => resultFile,
  'report-file': ({ reportFile }) => reportFile,
};
