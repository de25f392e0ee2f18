/** SARIF 2.1.0 as GitHub code scanning takes it (docs.github.com, "SARIF support for code scanning"). */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { bySeverity, describeWhere, type Finding, placeOf, type Severity } from './finding.ts';

/** GitHub shows the first 5,000 results of a run by severity, and refuses more than 25,000. */
export const MAX_RESULTS = 5_000;
/** GitHub refuses a larger file once compressed. Bytes. */
export const MAX_GZIP_BYTES = 10_000_000;
const MAX_TAGS = 20;
const MAX_NAME = 255;
const MAX_TEXT = 1_024;
const MAX_HELP = 8_192;
const MAX_URI = 1_024;

export interface SarifOptions {
  readonly toolVersion: string;
  /** What was scanned, in words. */
  readonly target: string;
  /** The file of the repository that the findings are shown at, by relative path: GitHub shows no result without one. */
  readonly artifact: string;
  /** The line in it, from 1. */
  readonly lineOf: (finding: Finding) => number;
}

/** `note` is the least that code scanning lists. */
const LEVELS: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  info: 'note',
};

/** The SARIF text of the most severe findings that GitHub would keep, and how many were left out. */
export function toSarif(findings: readonly Finding[], options: SarifOptions): { text: string; omitted: number } {
  const sorted = [...findings].sort(bySeverity);
  let kept = sorted.slice(0, MAX_RESULTS);
  let text = render(kept, options);
  while (kept.length > 1 && gzipSync(text).length > MAX_GZIP_BYTES) {
    kept = kept.slice(0, Math.floor(kept.length / 2));
    text = render(kept, options);
  }
  return { text, omitted: sorted.length - kept.length };
}

function render(findings: readonly Finding[], options: SarifOptions): string {
  const rules = new Map<string, { index: number; rule: object }>();
  for (const finding of findings) {
    // Sorted by severity: the first of an id is its gravest, and that is what the rule says.
    if (!rules.has(finding.id)) rules.set(finding.id, { index: rules.size, rule: ruleOf(finding) });
  }
  const prints = fingerprints(findings);
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'cd-actions security-scan',
            semanticVersion: options.toolVersion,
            rules: [...rules.values()].map(({ rule }) => rule),
          },
        },
        columnKind: 'utf16CodeUnits',
        properties: { target: clean(options.target, MAX_TEXT) },
        results: findings.map((finding, index) => ({
          ruleId: clean(finding.id, MAX_NAME),
          ruleIndex: rules.get(finding.id)?.index ?? 0,
          level: LEVELS[finding.severity],
          message: { text: messageOf(finding) },
          locations: [locationOf(finding, options)],
          partialFingerprints: { primaryLocationLineHash: prints[index] },
          properties: { severity: finding.severity, engines: finding.engines },
        })),
      },
    ],
  };
  return `${JSON.stringify(log, null, 1)}\n`;
}

function ruleOf(finding: Finding): object {
  const { id, title, description, remedy, references, severity, score, engines } = finding;
  const uri = references.find((each) => each.length <= MAX_URI && /^https?:\/\//.test(each) && URL.canParse(each));
  const paragraphs = [description, remedy, references.slice(0, 20).join('\n')].filter((each) => each !== '');
  const help = clean(paragraphs.join('\n\n') || title, MAX_HELP);
  return {
    id: clean(id, MAX_NAME),
    shortDescription: { text: clean(title, MAX_TEXT) || id },
    fullDescription: { text: clean(description, MAX_TEXT) || clean(title, MAX_TEXT) || id },
    help: { text: help },
    ...(uri === undefined ? {} : { helpUri: new URL(uri).href }),
    defaultConfiguration: { level: LEVELS[severity] },
    properties: {
      precision: 'high',
      // Without a score GitHub shows the level alone: right for what is no vulnerability.
      ...(severity === 'info' ? {} : { 'security-severity': score.toFixed(1) }),
      tags: ['security', 'container', ...engines].map((tag) => clean(tag, 50)).slice(0, MAX_TAGS),
    },
  };
}

function messageOf({ title, detail, where, fixedVersion }: Finding): string {
  const fix = fixedVersion
    ? ` Fixed in ${fixedVersion}.`
    : fixedVersion === null
      ? ' There is no fixed version yet.'
      : '';
  return clean(`${title}${detail === '' ? '' : `: ${detail}`}. Where: ${describeWhere(where)}.${fix}`, MAX_TEXT);
}

function locationOf(finding: Finding, { artifact, lineOf }: SarifOptions): object {
  const line = lineOf(finding);
  return {
    physicalLocation: {
      artifactLocation: { uri: encodeURI(artifact).replace(/[?#]/g, encodeURIComponent), uriBaseId: '%SRCROOT%' },
      region: { startLine: line, startColumn: 1, endLine: line, endColumn: 2 },
    },
    logicalLocations: [{ fullyQualifiedName: clean(describeWhere(finding.where), MAX_TEXT), kind: 'resource' }],
  };
}

/**
 * The same finding in the next build has the same print, so that GitHub neither closes and opens it again nor takes two findings for one:
 * from the id, the place and what was seen, with a number where all of these are the same.
 */
function fingerprints(findings: readonly Finding[]): readonly string[] {
  const counts = new Map<string, number>();
  return findings.map(({ id, where, detail }) => {
    // The number of a step, the count of files and the age of an image change from build to build.
    const place = placeOf(where).replace(/^config history \d+$/, 'config history');
    const what = place === 'config history' || (where.kind === 'file' && where.line !== null) ? detail : '';
    const print = createHash('sha256')
      .update(JSON.stringify([id, place, what]))
      .digest('hex')
      .slice(0, 16);
    const count = (counts.get(print) ?? 0) + 1;
    counts.set(print, count);
    return `${print}:${count}`;
  });
}

/**
 * Text of foreign origin for a SARIF message: no control characters, no half characters, nothing that reads as a link
 * (`[text](target)`, SARIF 2.1.0 section 3.11.6) or reorders what follows, at most `length` characters.
 */
function clean(text: string, length: number): string {
  const plain = text
    .slice(0, length * 2)
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '')
    .replaceAll('](', '] (');
  return plain.length <= length ? plain : `${plain.slice(0, length - 1).toWellFormed()}…`;
}
