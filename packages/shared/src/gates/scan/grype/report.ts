/** Grype's JSON report (github.com/anchore/grype, "Output formats"). */
import { endOfLife } from '../end-of-life.ts';
import { type Finding, type Severity, scoreWithin } from '../finding.ts';
import {
  addresses,
  type Fields,
  fields,
  imagePath,
  line,
  MalformedReport,
  number,
  objects,
  text,
} from '../tools/fields.ts';

export const GRYPE = 'grype';

export interface GrypeReport {
  readonly version: string;
  /** When its database was made, ISO 8601; empty when it does not say. */
  readonly database: string;
  /** The distribution as Grype's own options name it, such as `debian@12`; empty when none was recognised. */
  readonly distribution: string;
  readonly findings: readonly Finding[];
  readonly facts: Readonly<Record<string, string>>;
  readonly notChecked: readonly string[];
}

const SEVERITY: Readonly<Record<string, Severity>> = {
  critical: 'critical',
  high: 'high',
  medium: 'medium',
  low: 'low',
  negligible: 'info',
};

/** @throws MalformedReport when it is not a report of Grype, or a part is not what it must be. */
export function readGrypeReport(report: Fields): GrypeReport {
  const descriptor = fields(report['descriptor']);
  if (descriptor['name'] !== GRYPE || !Array.isArray(report['matches']))
    throw new MalformedReport('the report of grype has no list of matches');
  const distro = fields(report['distro']);
  const system = [line(distro['name'], 60), line(distro['version'], 60)].filter(Boolean).join(' ');
  const alerts = objects(report['alertsByPackage'], 'alertsByPackage').flatMap((each) =>
    objects(each['alerts'], 'alerts'),
  );
  const ended = alerts.some((each) => each['type'] === 'distro-eol');
  const ignored = objects(report['ignoredMatches'], 'ignoredMatches').length;
  const made = line(fields(fields(descriptor['db'])['status'])['built'] ?? fields(descriptor['db'])['built'], 60);
  return {
    version: line(descriptor['version'], 60),
    database: Number.isNaN(Date.parse(made)) ? '' : made,
    distribution: system.replace(' ', '@'),
    findings: [...objects(report['matches'], 'matches').map(match), ...(ended ? [endOfLife(system, GRYPE)] : [])],
    facts: { system: system || 'none recognised', ...(ignored === 0 ? {} : { ignoredMatches: String(ignored) }) },
    notChecked: system === '' ? ['packages of the system: no distribution was recognised'] : [],
  };
}

function match(each: Fields): Finding {
  const vulnerability = fields(each['vulnerability']);
  const artifact = fields(each['artifact']);
  const related = objects(each['relatedVulnerabilities'], 'relatedVulnerabilities');
  const [id, aliases] = namesOf(idOf(vulnerability['id'], 'a vulnerability id'), related);
  const severity = severityOf(vulnerability, related);
  const fix = fields(vulnerability['fix']);
  const fixed = fix['state'] === 'fixed' && Array.isArray(fix['versions']) ? line(fix['versions'][0], 120) : '';
  const name = nameOf(artifact);
  const description = text(vulnerability['description']) || text(related[0]?.['description']);
  return {
    id,
    aliases,
    title: headline(description) || `A known vulnerability of ${name}`,
    detail: '',
    description,
    remedy: fixed ? `Update ${name} to ${fixed}.` : '',
    severity,
    score: scoreWithin(severity, cvss(vulnerability) ?? cvss(related[0] ?? {})),
    where: { kind: 'package', name, version: line(artifact['version'], 120), path: pathOf(artifact) },
    fixedVersion: fixed || null,
    references: addresses([vulnerability['dataSource'], ...listed(vulnerability['urls'])]),
    engines: [GRYPE],
  };
}

/**
 * An advisory of GitHub is another name of its CVE. An advisory of a distribution that is about several CVEs is the name of none of
 * them: to take it for one would make different faults into one finding. The CVE is the name that others know it by.
 */
function namesOf(id: string, related: readonly Fields[]): readonly [string, readonly string[]] {
  const names = related.map((each) => line(each['id'], 200)).filter((name) => name !== '' && name !== id);
  const unique = [...new Set(names)];
  const [other] = unique;
  if (other === undefined || unique.length > 1) return [id, []];
  return other.startsWith('CVE-') && !id.startsWith('CVE-') ? [other, [id]] : [id, [other]];
}

/** As Trivy names it, so that both are seen to mean the same package: Maven's with their group. */
function nameOf(artifact: Fields): string {
  const name = idOf(artifact['name'], 'a package name');
  const group = /^pkg:maven\/([^/@?]+)\//.exec(line(artifact['purl'], 1_024))?.[1];
  return group && !name.includes(':') ? `${decoded(group)}:${name}` : name;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The database of the system's package manager is no place of a package. */
function pathOf(artifact: Fields): string {
  if (['deb', 'rpm', 'apk', 'alpm', 'portage'].includes(line(artifact['type'], 30))) return '';
  return imagePath(objects(artifact['locations'], 'locations')[0]?.['path']);
}

/** A finding that nobody has rated is taken for medium: to call it harmless could hide it. */
function severityOf(vulnerability: Fields, related: readonly Fields[]): Severity {
  for (const each of [vulnerability, ...related]) {
    const known = typeof each['severity'] === 'string' ? SEVERITY[each['severity'].toLowerCase()] : undefined;
    if (known) return known;
  }
  return 'medium';
}

function cvss(vulnerability: Fields): number | undefined {
  const scores = objects(vulnerability['cvss'], 'cvss').flatMap((each) => {
    const score = number(fields(each['metrics'])['baseScore']);
    return score === undefined ? [] : [score];
  });
  return scores.length > 0 ? Math.max(...scores) : undefined;
}

function headline(description: string): string {
  const first = line(description.split(/(?<=\.)\s/)[0] ?? '');
  return first.length <= 160 ? first.replace(/\.$/, '') : '';
}

function idOf(value: unknown, what: string): string {
  const id = line(value, 200);
  if (id === '') throw new MalformedReport(`the report of grype lacks ${what}`);
  return id;
}

const listed = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
