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
  /** Writes a file into the checkout and returns its path. */
  readonly saveInWorkspace: (path: string, contents: string) => Promise<string>;
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
  deps.log.info(
    `Load ${url.origin}${url.pathname} with ${inputs.rate} requests a second for ${formatDuration(inputs.duration)}` +
      `${inputs.warmup > 0 ? `, after a warm-up of ${formatDuration(inputs.warmup)}` : ''}`,
  );
  const result = await deps.load(loadOptions(inputs, addresses, deps.signal));
  const judgement = judge(result, inputs.thresholds);
  if (result.generator?.bottleneck) deps.log.warning(`The load generator was the bottleneck: ${result.generator.note}`);
  const json = resultJson(result, judgement);
  const resultFile =
    inputs['result-file'] === ''
      ? await deps.save('result.json', json)
      : await deps.saveInWorkspace(inputs['result-file'], json);
  const reportFile = await deps.save('report.html', htmlReport(result, judgement));
  return { judgement, result, resultFile, reportFile };
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
