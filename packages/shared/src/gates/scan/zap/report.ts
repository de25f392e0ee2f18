/** ZAP's traditional JSON report (zaproxy.org, "Report Generation"): numbers are texts, descriptions are HTML. */
import { type Finding, type Severity, scoreWithin } from '../finding.ts';
import { addresses, type Fields, line, MalformedReport, objects, text } from '../tools/fields.ts';

export const ZAP = 'zap';

export interface ZapReport {
  readonly version: string;
  readonly findings: readonly Finding[];
  /** Whether ZAP has seen anything of the target: a report without it is of a scan that never got there. */
  readonly saw: (url: string) => boolean;
  /** Percentage of requests that failed in the network; 0 when the report does not say. */
  readonly networkFailures: number;
}

/** `riskcode`: informational to high. ZAP knows nothing graver. */
const SEVERITY: Readonly<Record<string, Severity>> = { 0: 'info', 1: 'low', 2: 'medium', 3: 'high' };
/** `confidence` of an alert that somebody marked as wrong. */
const FALSE_POSITIVE = '0';

/** @throws MalformedReport when it is not a report of ZAP, or a part is not what it must be. */
export function readZapReport(report: Fields): ZapReport {
  const version = line(report['@version'], 60);
  if (version === '' || report['site'] === undefined) throw new MalformedReport('the report of zap lists no site');
  // A single site may stand by itself, not in a list.
  const sites = Array.isArray(report['site']) ? objects(report['site'], 'site') : objects([report['site']], 'site');
  const failures = objects(report['insights'], 'insights').find((each) => each['key'] === 'insight.network.failure');
  return {
    version,
    findings: sites.flatMap((site) => objects(site['alerts'], 'alerts').flatMap(alert)),
    saw: (url) => sites.some((site) => sameHost(line(site['@name'], 2_048), url)),
    networkFailures: Number(failures?.['statistic'] ?? 0) || 0,
  };
}

function sameHost(site: string, url: string): boolean {
  return URL.canParse(site) && URL.canParse(url) && new URL(site).host === new URL(url).host;
}

/** One finding a parameter: that a header is missing on three hundred pages is one thing to put right. */
function alert(each: Fields): readonly Finding[] {
  if (each['confidence'] === FALSE_POSITIVE) return [];
  const severity = SEVERITY[line(each['riskcode'], 2)];
  const id = line(each['alertRef'], 60) || line(each['pluginid'], 60);
  if (severity === undefined || id === '')
    throw new MalformedReport('the report of zap holds an alert without id or risk');
  const places = objects(each['instances'], 'instances')
    .map((instance) => ({
      url: line(instance['uri'], 2_048),
      method: line(instance['method'], 20) || 'GET',
      parameter: line(instance['param'], 200),
    }))
    .sort((a, b) => (a.url < b.url ? -1 : a.url > b.url ? 1 : 0));
  const byParameter = Map.groupBy(places, ({ method, parameter }) => `${method} ${parameter}`);
  const groups = byParameter.size === 0 ? [[{ url: '', method: 'GET', parameter: '' }]] : [...byParameter.values()];
  const cwe = /^[1-9]\d*$/.test(line(each['cweid'], 10))
    ? [`https://cwe.mitre.org/data/definitions/${each['cweid']}.html`]
    : [];
  return groups.map(([first = { url: '', method: 'GET', parameter: '' }, ...more]) => ({
    id: `ZAP-${id}`,
    aliases: [],
    title: line(plain(each['name'] ?? each['alert'])) || `Alert ${id}`,
    detail: more.length === 0 ? '' : `also at ${more.length} more addresses`,
    description: plain(each['desc']),
    remedy: line(plain(each['solution']), 500),
    severity,
    score: scoreWithin(severity),
    where: { kind: 'url', ...first },
    fixedVersion: '',
    references: addresses([...plain(each['reference']).split(/\s+/), ...cwe]),
    engines: [ZAP],
  }));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'", amp: '&' };

/** The words of an HTML text. What is left is plain text still, to be escaped by whoever shows it. */
function plain(html: unknown): string {
  const words = text(html, 16_000)
    .replace(/<\/(?:p|li|div|ul)>|<br\s*\/?>/gi, '\n')
    .replace(/<\/?[a-z][^<>]{0,500}>/gi, '')
    .replace(/&(lt|gt|quot|apos|#39|amp);/g, (whole, name: string) => ENTITIES[name] ?? whole);
  return text(words);
}
