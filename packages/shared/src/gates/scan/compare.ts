import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { bySeverity, type Finding, placeOf, SEVERITIES, type Severity, type Where } from './finding.ts';

/** As much of a finding as it takes to know it again in a later scan. */
export interface Known {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly place: string;
  readonly severity: Severity;
  readonly engines: readonly string[];
}

/** What an earlier scan found. */
export interface Baseline {
  /** The version that it was of. */
  readonly version: string;
  /** ISO 8601. */
  readonly at: string;
  readonly known: readonly Known[];
}

export interface Comparison {
  readonly version: string;
  readonly at: string;
  readonly fresh: readonly Finding[];
  /** Found then and not now, by an engine that looked again. */
  readonly fixed: readonly Known[];
  readonly unchanged: number;
}

/** The most findings that are remembered, the most severe first. One that is not counts as new later: never as known. */
export const MOST_REMEMBERED = 4_000;
/** Inflated characters that are believed: a record in the registry is at most a megabyte. */
const LONGEST = 16 * 1_048_576;

/** Findings as a short text, for the registry. */
export function remember(findings: readonly Finding[]): string {
  const kept = [...findings].sort(bySeverity).slice(0, MOST_REMEMBERED);
  const rows = kept.map(({ id, aliases, where, severity, engines }) => [
    id.slice(0, 200),
    aliases.slice(0, 5),
    lasting(where).slice(0, 300),
    SEVERITIES.indexOf(severity),
    engines,
  ]);
  return deflateRawSync(JSON.stringify(rows)).toString('base64');
}

/** What `remember` wrote; null when it is not that. */
export function recall(text: string): readonly Known[] | null {
  try {
    const inflated = inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: LONGEST }).toString('utf8');
    const rows: unknown = JSON.parse(inflated);
    return Array.isArray(rows) ? rows.map(knownOf) : null;
  } catch {
    return null;
  }
}

function knownOf(row: unknown): Known {
  const [id, aliases, place, severity, engines] = row as [string, string[], string, number, string[]];
  const word = SEVERITIES[severity];
  if (
    typeof id !== 'string' ||
    typeof place !== 'string' ||
    !word ||
    !Array.isArray(aliases) ||
    !Array.isArray(engines)
  )
    throw new Error('it is no remembered finding');
  return { id, aliases, place, severity: word, engines };
}

/**
 * What is new, fixed and unchanged since an earlier scan. A package's version, a layer and a step of the history may differ: the finding is
 * still the same.
 * @param all everything found now, whatever of it is reported.
 * @param ran the engines that did their work now: what only another one found then is not called fixed.
 */
export function compare(all: readonly Finding[], baseline: Baseline, ran: readonly string[]): Comparison {
  const before = new Set(baseline.known.flatMap((each) => keysOf(each)));
  const now = new Set(all.flatMap(keysOfFinding));
  const fresh = all.filter((finding) => !keysOfFinding(finding).some((key) => before.has(key)));
  const fixed = baseline.known.filter(
    (each) => each.engines.some((engine) => ran.includes(engine)) && !keysOf(each).some((key) => now.has(key)),
  );
  return { version: baseline.version, at: baseline.at, fresh, fixed, unchanged: all.length - fresh.length };
}

const keysOf = ({ id, aliases, place }: Pick<Known, 'id' | 'aliases' | 'place'>): readonly string[] =>
  [id, ...aliases].map((name) => `${name.toUpperCase()} ${place}`);

const keysOfFinding = ({ id, aliases, where }: Finding): readonly string[] =>
  keysOf({ id: id.slice(0, 200), aliases: aliases.slice(0, 5), place: lasting(where).slice(0, 300) });

/** The place as it stays from build to build, whichever engine names it. */
function lasting(where: Where): string {
  if (where.kind === 'package') return `package ${where.name}`;
  return placeOf(where).replace(/^config history \d+$/, 'config history');
}
