/** What ZAP is told to do: a plan of its Automation Framework. JSON, which is YAML too. */

/** `baseline`: look at what a crawl brings. `full`: attack it as well. `api`: attack what an OpenAPI description names. */
export type ZapScan = 'baseline' | 'full' | 'api';

export interface PlanOptions {
  readonly scan: ZapScan;
  readonly url: string;
  /** Where ZAP finds the OpenAPI description: a file's path or an address; for `api` only. */
  readonly openapi: string;
  readonly reportDirectory: string;
  readonly reportFile: string;
  /** Minutes for the crawl, and for the attack. */
  readonly minutes: number;
}

const CONTEXT = 'target';

export function zapPlan(options: PlanOptions): string {
  const { scan, url, openapi, minutes } = options;
  const api = /^https?:\/\//.test(openapi) ? { apiUrl: openapi } : { apiFile: openapi };
  const jobs = [
    { type: 'passiveScan-config', parameters: { scanOnlyInScope: true, maxAlertsPerRule: 100 } },
    scan === 'api'
      ? { type: 'openapi', parameters: { ...api, targetUrl: url, context: CONTEXT } }
      : { type: 'spider', parameters: { context: CONTEXT, url, maxDuration: minutes } },
    { type: 'passiveScan-wait', parameters: { maxDuration: minutes } },
    ...(scan === 'baseline'
      ? []
      : [{ type: 'activeScan', parameters: { context: CONTEXT, maxScanDurationInMins: minutes } }]),
    {
      type: 'report',
      parameters: {
        template: 'traditional-json',
        reportDir: options.reportDirectory,
        reportFile: options.reportFile,
        displayReport: false,
      },
    },
  ];
  const env = {
    contexts: [{ name: CONTEXT, urls: [url] }],
    parameters: { failOnError: true, failOnWarning: false, progressToStdout: true },
  };
  return JSON.stringify({ env, jobs }, null, 1);
}
