/** Trivy's JSON report, schema version 2 (https://trivy.dev, "Reporting"): whatever is empty is left out. */
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

export const TRIVY = 'trivy';

export interface TrivyReport {
  readonly findings: readonly Finding[];
  readonly facts: Readonly<Record<string, string>>;
  readonly notChecked: readonly string[];
  /** What was to be looked for and could not: the packages of a release that Trivy has no advisories of. */
  readonly incomplete: readonly string[];
}

const SEVERITY: Readonly<Record<string, Severity>> = {
  CRITICAL: 'critical',
  HIGH: 'high',
  MEDIUM: 'medium',
  LOW: 'low',
};

/**
 * @param said what Trivy printed: that it does not know a release stands only there. The report calls it one whose support has ended.
 * @throws MalformedReport when it is not a report of an image, or a part is not what it must be.
 */
export function readTrivyReport(report: Fields, said: string): TrivyReport {
  if (report['SchemaVersion'] !== 2) throw new MalformedReport('the report of trivy has another schema version than 2');
  if (report['ArtifactType'] !== 'container_image') throw new MalformedReport('the report of trivy is not of an image');
  const metadata = fields(report['Metadata']);
  const layers = Array.isArray(metadata['DiffIDs']) ? metadata['DiffIDs'] : [];
  const results = objects(report['Results'], 'Results');
  const context = (result: Fields): Context => ({ result, layers });
  const findings = results.flatMap((result) => [
    ...objects(result['Vulnerabilities'], 'Vulnerabilities').map((each) => vulnerability(each, context(result))),
    ...objects(result['Secrets'], 'Secrets').map((each) => secret(each, context(result))),
    ...objects(result['Misconfigurations'], 'Misconfigurations')
      .filter((each) => each['Status'] === undefined || each['Status'] === 'FAIL')
      .filter((each) => !ofHistoryAlone(each, result))
      .map((each) => misconfiguration(each, context(result))),
  ]);
  const os = fields(metadata['OS']);
  const packages = results.reduce((sum, result) => sum + objects(result['Packages'], 'Packages').length, 0);
  const modified = results.reduce(
    (sum, each) => sum + objects(each['ExperimentalModifiedFindings'], 'findings').length,
    0,
  );
  const system = [line(os['Family'], 60), line(os['Name'], 60)].filter(Boolean).join(' ');
  const unknown = /not on the EOL list|unsupported os/i.test(said);
  const incomplete = unknown ? [`vulnerabilities of the packages of ${system}: Trivy does not know this release`] : [];
  return {
    findings: os['EOSL'] === true && !unknown ? [...findings, endOfLife(system, TRIVY)] : findings,
    facts: { packages: String(packages), system: system || 'none recognised' },
    incomplete,
    notChecked: [
      ...incomplete,
      ...(system === '' ? ['packages of the system: no distribution was recognised'] : []),
      ...(modified === 0 ? [] : [`${modified} findings that the image's own statements (VEX) set aside`]),
    ],
  };
}

/**
 * The classic builder writes `COPY file:<digest> in <path>` into the history, which the Dockerfile that Trivy makes up of it then has as a
 * `COPY` of several files to one (its check 11, critical): about how the history is written, and so of every image built that way.
 */
function ofHistoryAlone(each: Fields, result: Fields): boolean {
  const ofImage = result['Type'] === 'dockerfile' && fields(each['Layer'])['DiffID'] === undefined;
  return ofImage && /^(?:AVD-)?DS-?0*11$/.test(line(each['ID'], 60));
}

interface Context {
  readonly result: Fields;
  readonly layers: readonly unknown[];
}

function vulnerability(each: Fields, { result }: Context): Finding {
  const severity = severityOf(each);
  const system = result['Class'] === 'os-pkgs';
  const fixed = line(each['FixedVersion'], 120);
  const name = idOf(each['PkgName'], 'a package name');
  return {
    id: idOf(each['VulnerabilityID'], 'a vulnerability id'),
    aliases: [],
    title: line(each['Title']) || `A known vulnerability of ${name}`,
    detail: '',
    description: text(each['Description']),
    remedy: fixed ? `Update ${name} to ${fixed}.` : '',
    severity,
    score: scoreWithin(severity, cvss(each)),
    where: {
      kind: 'package',
      name,
      version: line(each['InstalledVersion'], 120),
      path: system ? '' : imagePath(each['PkgPath'] ?? pathOf(result)),
    },
    fixedVersion: fixed || null,
    references: addresses([each['PrimaryURL'], ...listed(each['References'])]),
    engines: [TRIVY],
  };
}

/** Packages without a lock file are gathered under a word such as `Node.js`: that is no path. */
function pathOf(result: Fields): unknown {
  const target = result['Target'];
  return typeof target === 'string' && target.includes('/') ? target : '';
}

function secret(each: Fields, { result, layers }: Context): Finding {
  const severity = severityOf(each);
  const layer = layers.indexOf(fields(each['Layer'])['DiffID']) + 1;
  const start = number(each['StartLine']) ?? 0;
  return {
    id: `trivy-secret-${idOf(each['RuleID'], 'a rule of secrets')}`,
    aliases: [],
    title: `A secret in the image: ${line(each['Title'], 200) || 'of an unknown kind'}`,
    // Nothing of the matched line: Trivy masks one secret of it, and there may be two.
    detail: '',
    description: 'Whoever can pull the image can read the file, also when a later layer deletes it.',
    remedy:
      'Revoke the secret, keep the file out by `.dockerignore`, and pass it at run time or by `RUN --mount=type=secret`.',
    severity,
    score: scoreWithin(severity),
    where: { kind: 'file', path: imagePath(result['Target']), layer, line: start > 0 ? start : null, goneIn: null },
    fixedVersion: '',
    references: [],
    engines: [TRIVY],
  };
}

function misconfiguration(each: Fields, { result, layers }: Context): Finding {
  const severity = severityOf(each);
  const id = idOf(each['ID'], 'the id of a misconfiguration');
  const alias = line(each['AVDID'], 60);
  const layer = layers.indexOf(fields(each['Layer'])['DiffID']) + 1;
  // Without a layer it is of the Dockerfile that Trivy makes up from the history of the image.
  const made = layer === 0 && result['Type'] === 'dockerfile';
  const start = number(fields(each['CauseMetadata'])['StartLine']) ?? 0;
  return {
    id,
    aliases: alias === '' || alias === id ? [] : [alias],
    title: line(each['Title']) || id,
    detail: line(each['Message'], 500),
    description: text(each['Description']),
    remedy: line(each['Resolution'], 500),
    severity,
    score: scoreWithin(severity),
    where: made
      ? { kind: 'config', key: 'Dockerfile' }
      : { kind: 'file', path: imagePath(result['Target']), layer, line: start > 0 ? start : null, goneIn: null },
    fixedVersion: '',
    references: addresses([each['PrimaryURL'], ...listed(each['References'])]),
    engines: [TRIVY],
  };
}

/** A finding that nobody has rated is taken for medium: to call it harmless could hide it. */
function severityOf(each: Fields): Severity {
  const word = typeof each['Severity'] === 'string' ? each['Severity'].toUpperCase() : '';
  return SEVERITY[word] ?? 'medium';
}

/** The score by whoever gave the severity, else the highest one. */
function cvss(each: Fields): number | undefined {
  const all = Object.entries(fields(each['CVSS'])).map(([source, value]) => {
    const scores = fields(value);
    return { source, score: number(scores['V40Score']) ?? number(scores['V3Score']) ?? number(scores['V2Score']) };
  });
  const own = all.find(({ source, score }) => source === each['SeveritySource'] && score !== undefined);
  const scores = all.flatMap(({ score }) => (score === undefined ? [] : [score]));
  return own?.score ?? (scores.length > 0 ? Math.max(...scores) : undefined);
}

function idOf(value: unknown, what: string): string {
  const id = line(value, 200);
  if (id === '') throw new MalformedReport(`the report of trivy lacks ${what}`);
  return id;
}

const listed = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
