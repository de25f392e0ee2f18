/** From the most to the least severe. `info` is a hint that no CVSS rating would cover. */
export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Where a finding lies. Paths are those inside the image, without a leading slash. */
export type Where =
  | { readonly kind: 'package'; readonly name: string; readonly version: string; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      /** The layer's position in the image, from 1. */
      readonly layer: number;
      readonly line: number | null;
      /** The later layer that removed or replaced the file; null while it is visible. */
      readonly goneIn: number | null;
    }
  | { readonly kind: 'config'; readonly key: string }
  | { readonly kind: 'url'; readonly url: string; readonly method: string; readonly parameter: string };

/** What a scanner found, whichever it was. Holds no secret: excerpts are masked by the scanner that made them. */
export interface Finding {
  /** A rule (`CD010`) or an advisory (`CVE-2026-1234`). */
  readonly id: string;
  /** The same advisory under other names, such as `GHSA-…`. */
  readonly aliases: readonly string[];
  readonly title: string;
  /** What was seen here, masked; empty when the title says it all. */
  readonly detail: string;
  /** Why it matters: the same wherever this id is found. */
  readonly description: string;
  /** What to change, as an imperative sentence; empty when the engine knows none. */
  readonly remedy: string;
  readonly severity: Severity;
  /** CVSS scale, 0 to 10, always within the band of `severity` (see `scoreWithin`). */
  readonly score: number;
  readonly where: Where;
  /** The first version without the fault; null when there is none, empty where the notion does not apply. */
  readonly fixedVersion: string | null;
  readonly references: readonly string[];
  readonly engines: readonly string[];
}

export type Counts = Readonly<Record<Severity, number>>;

/** GitHub's bands of `security-severity` (docs.github.com, "SARIF support for code scanning"): low, middle, high of each. */
const BANDS: Readonly<Record<Severity, readonly [number, number, number]>> = {
  critical: [9.1, 9.5, 10],
  high: [7, 8, 8.9],
  medium: [4, 5.5, 6.9],
  low: [0.1, 2, 3.9],
  info: [0, 0, 0],
};

/**
 * A score that shows under the same word as the severity. A distribution often rates an advisory lower than its CVSS base score;
 * taken as it stands, the score would make GitHub show another severity than the gate judged by.
 */
export function scoreWithin(severity: Severity, cvss?: number): number {
  const [low, middle, high] = BANDS[severity];
  return cvss === undefined || !Number.isFinite(cvss) ? middle : Math.min(high, Math.max(low, cvss));
}

/** Whether `severity` is `least` or worse. */
export function atLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(least);
}

export function countBySeverity(findings: readonly Finding[]): Counts {
  const counts: Record<Severity, number> = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };
  for (const { severity } of findings) counts[severity] += 1;
  return counts;
}

/** What stays the same from one build of an image to the next: neither a package's version nor the number of a layer. */
export function placeOf(where: Where): string {
  switch (where.kind) {
    case 'package':
      return `package ${where.name} ${where.path}`;
    case 'file':
      return `file ${where.path}`;
    case 'config':
      return `config ${where.key}`;
    case 'url':
      return `url ${where.method} ${where.url} ${where.parameter}`;
  }
}

/** A place in words. Not escaped for any format. */
export function describeWhere(where: Where): string {
  switch (where.kind) {
    case 'package':
      return `${where.name} ${where.version}${where.path === '' ? '' : ` (/${where.path})`}`;
    case 'file': {
      const line = where.line === null ? '' : `:${where.line}`;
      const gone = where.goneIn === null ? '' : `, gone from view in layer ${where.goneIn} but still in the image`;
      return `/${where.path}${line} (layer ${where.layer}${gone})`;
    }
    case 'config':
      return `image ${where.key}`;
    case 'url':
      return `${where.method} ${where.url}${where.parameter === '' ? '' : ` (parameter ${where.parameter})`}`;
  }
}

/** The most severe first, then by id and place, so that the same image always gives the same list. */
export function bySeverity(a: Finding, b: Finding): number {
  return (
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    b.score - a.score ||
    compare(a.id, b.id) ||
    compare(placeOf(a.where), placeOf(b.where))
  );
}

/** By code unit: the same order whatever the machine's locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * One finding where several engines, or one twice, report the same fault in the same place. Two findings are the same when they
 * share a name (id or alias, whatever its case) and the place; a package's path is left out of the comparison when one engine gives none.
 * The graver severity stands: an engine that knows less must not hide what another found.
 */
export function mergeFindings(findings: readonly Finding[]): readonly Finding[] {
  const merged: Finding[] = [];
  const indexByKey = new Map<string, number>();
  for (const finding of findings) {
    const keys = keysOf(finding);
    const index = keys.map((key) => indexByKey.get(key)).find((each) => each !== undefined) ?? merged.length;
    const known = merged[index];
    merged[index] = known ? unite(known, finding) : finding;
    for (const key of keys) indexByKey.set(key, index);
  }
  return merged.sort(bySeverity);
}

function keysOf({ id, aliases, where }: Finding): readonly string[] {
  const place = where.kind === 'package' ? `package ${where.name} ${where.version}` : placeOf(where);
  const layer = where.kind === 'file' ? ` ${where.layer} ${where.line ?? ''}` : '';
  return [id, ...aliases].map((name) => `${name.toUpperCase()} ${place}${layer}`);
}

function unite(a: Finding, b: Finding): Finding {
  const [graver, other] = bySeverity(a, b) <= 0 ? [a, b] : [b, a];
  const names = [...new Set([a.id, ...a.aliases, b.id, ...b.aliases])];
  const id = names.find((name) => name.startsWith('CVE-')) ?? graver.id;
  return {
    ...graver,
    id,
    aliases: names.filter((name) => name !== id),
    remedy: graver.remedy || other.remedy,
    fixedVersion: graver.fixedVersion || other.fixedVersion,
    references: [...new Set([...graver.references, ...other.references])],
    engines: [...new Set([...a.engines, ...b.engines])].sort(compare),
  };
}
