import { messageOf, UserError } from '../../../domain/errors.ts';
import type { Scanner, ScanResult } from '../scanner.ts';
import { parseReport } from '../tools/fields.ts';
import { lastWords, type Tool, type ToolSession } from '../tools/tool.ts';
import { type ZapScan, zapPlan } from './plan.ts';
import { readZapReport, ZAP } from './report.ts';

export interface ZapOptions {
  readonly scan: ZapScan;
  /** The OpenAPI description for `api`: its text, or an address. */
  readonly openapi: { readonly text: string } | { readonly url: string } | null;
  /** Milliseconds for the whole of it. */
  readonly timeout: number;
  /** Asks the target for an answer, whichever; rejects when none comes. */
  readonly reach: (url: string, signal: AbortSignal) => Promise<void>;
}

const REPORT = 'zap.json';
const PLAN = 'plan.yaml';
const OPENAPI = 'openapi-description';
/** Percent. Above it, most of what was to be looked at was not. */
const MOST_FAILURES = 50;

/** ZAP on the running candidate. Its own settings are shut out: it runs with a home directory that is new. */
export function zapScanner(tool: Tool, options: ZapOptions): Scanner {
  return {
    name: ZAP,
    version: '',
    async scan({ url }, signal) {
      if (url === '') throw new UserError('No address is given.', 'Give the input `target-url`.');
      await options.reach(url, signal).catch((error: unknown) => {
        throw new Error(`${url} cannot be reached: ${messageOf(error)}`);
      });
      const described = options.openapi !== null && 'text' in options.openapi;
      const files = described ? { [OPENAPI]: (options.openapi as { text: string }).text } : {};
      const session = await tool.open('', files, signal);
      try {
        return await work(session, tool, url, options, signal);
      } finally {
        await session.close();
      }
    },
  };
}

async function work(
  session: ToolSession,
  tool: Tool,
  url: string,
  options: ZapOptions,
  signal: AbortSignal,
): Promise<ScanResult> {
  const directory = session.places.work;
  const openapi =
    options.openapi === null ? '' : 'url' in options.openapi ? options.openapi.url : `${directory}/${OPENAPI}`;
  const plan = zapPlan({
    scan: options.scan,
    url,
    openapi,
    reportDirectory: directory,
    reportFile: REPORT,
    minutes: Math.max(1, Math.floor(options.timeout / 180_000)),
  });
  await session.write(PLAN, plan);
  const args = ['-cmd', '-silent', '-dir', `${directory}/home`, '-autorun', `${directory}/${PLAN}`];
  const ended = await session.run(args, signal);
  // The Automation Framework ends with 0 when all went well, with 2 on warnings of the plan, with 1 on errors.
  if (ended.code !== 0 && ended.code !== 2) throw new Error(`zap failed; ${lastWords(ended)}.`);
  const report = readZapReport(parseReport(await session.read(REPORT), ZAP));
  if (!report.saw(url)) throw new Error(`zap has seen nothing of ${url}; ${lastWords(ended)}`);
  const failures = report.networkFailures;
  const broken = failures > MOST_FAILURES ? [`${failures} % of ZAP's requests failed in the network`] : [];
  return {
    version: report.version,
    findings: report.findings,
    facts: { ran: tool.origin, scan: options.scan },
    notChecked: [
      ...broken,
      ...(options.scan === 'baseline' ? ['what only an attack shows (`zap-scan: full` or `api`)'] : []),
      ...(ended.code === 2 ? [`ZAP warned: ${lastWords(ended)}`] : []),
    ],
    incomplete: broken,
  };
}
