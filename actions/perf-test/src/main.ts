import type { Log } from '@cd-actions/shared/delivery/ports';
import { formatDuration } from '@cd-actions/shared/domain/grammar';
import { type Address, admitTarget } from '@cd-actions/shared/gates/load/admission';
import type { LoadOptions } from '@cd-actions/shared/gates/load/prober';
import type { LoadResult } from '@cd-actions/shared/gates/load/result';
import { type Judgement, judge } from '@cd-actions/shared/gates/load/thresholds';
import type { Inputs } from './inputs.ts';
import { htmlReport } from './report.ts';

export interface Dependencies {
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly resolve: (host: string) => Promise<readonly Address[]>;
  /** Runs a load test to its end, and logs how it goes. */
  readonly load: (options: LoadOptions) => Promise<LoadResult>;
  /** Writes a file of this step and returns its path. */
  readonly save: (name: string, contents: string) => Promise<string>;
  /** Makes ready to write a file of the checkout; what is returned writes it and returns its path. Throws `UserError` when it cannot be written. */
  readonly workspaceFile: (path: string) => Promise<(contents: string) => Promise<string>>;
}

export interface PerfResult {
  readonly judgement: Judgement;
  readonly result: LoadResult;
  readonly resultFile: string;
  readonly reportFile: string;
}

/** The version of the result file's format; grows when a reader of the former would go wrong. */
const SCHEMA = 1;

/** Puts the target under load, judges the figures, and keeps them, before anybody decides. */
export async function main(inputs: Inputs, deps: Dependencies): Promise<PerfResult> {
  const url = new URL(inputs['target-url']);
  const addresses = await admitTarget(url, inputs['allowed-targets'], deps.resolve);
  const saveResult = await resultWriter(inputs, deps);
  deps.log.info(
    `Load ${url.origin}${url.pathname} with ${inputs.rate} requests a second for ${formatDuration(inputs.duration)}` +
      `${inputs.warmup > 0 ? `, after a warm-up of ${formatDuration(inputs.warmup)}` : ''}`,
  );
  const result = await deps.load(loadOptions(inputs, addresses, deps.signal));
  const judgement = judge(result, inputs.thresholds);
  logFigures(result, deps.log);
  const resultFile = await saveResult(resultJson(result, judgement));
  const reportFile = await deps.save('report.html', htmlReport(result, judgement));
  return { judgement, result, resultFile, reportFile };
}

/** Found out before the load: an hour of it must not be lost to a path that cannot be written. */
function resultWriter(inputs: Inputs, deps: Dependencies): Promise<(contents: string) => Promise<string>> {
  const path = inputs['result-file'];
  if (path !== '') return deps.workspaceFile(path);
  return Promise.resolve((contents) => deps.save('result.json', contents));
}

function logFigures({ requests, failed, latency, longestGap, generator }: LoadResult, log: Log): void {
  const [p50, p95, p99] = [latency.p50, latency.p95, latency.p99].map((each) => each.toFixed(1));
  log.info(
    `${requests} requests, ${failed} failed; p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms; longest gap ${longestGap.toFixed(1)} ms`,
  );
  if (generator?.bottleneck) log.warning(`The load generator was the bottleneck: ${generator.note}`);
}

function loadOptions(inputs: Inputs, addresses: readonly Address[], signal: AbortSignal): LoadOptions {
  return {
    url: inputs['target-url'],
    addresses,
    rate: inputs.rate,
    connections: inputs.connections,
    keepAlive: inputs['connection-mode'],
    duration: inputs.duration,
    warmup: inputs.warmup,
    timeout: inputs.timeout,
    method: inputs.method,
    headers: Object.fromEntries(inputs.headers),
    versionHeader: inputs['version-header'],
    signal,
    ...(inputs.body === '' ? {} : { body: inputs.body }),
  };
}

/** The result file: what was decided, then everything that was measured. Headers and body are not in it. */
function resultJson(result: LoadResult, { verdict, message, thresholds }: Judgement): string {
  const judged = thresholds.map(({ threshold, verdict: each, value, shown, note }) => ({
    threshold: threshold.text,
    verdict: each,
    value,
    shown,
    note,
  }));
  return `${JSON.stringify({ schema: SCHEMA, gate: 'perf-test', verdict, message, thresholds: judged, result }, null, 2)}\n`;
}
