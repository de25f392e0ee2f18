import { messageOf, UserError } from '../../domain/errors.ts';
import { type Finding, placeOf } from './finding.ts';

/** One accepted finding. It holds until the end of the day `until`, in UTC. */
export interface IgnoreEntry {
  readonly id: string;
  readonly reason: string;
  /** `YYYY-MM-DD`. */
  readonly until: string;
  /** Only findings whose place contains this text; empty: wherever the finding lies. */
  readonly where: string;
}

const MAX_BYTES = 1_048_576;
const ID = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;

/**
 * Reads an ignore file. `.yaml` and `.yml` hold a list `ignore:` of entries with `id`, `reason`, `until` and, if wanted, `where`; any other
 * file holds one entry a line: `CVE-2026-1234 until=2026-12-31 where=openssl reason=not reachable` (`reason` last, to the end of the line).
 * @throws UserError naming every entry that is malformed.
 */
export async function parseIgnoreFile(name: string, content: string): Promise<readonly IgnoreEntry[]> {
  if (content.length > MAX_BYTES) throw malformed(name, [`is longer than ${MAX_BYTES} characters`]);
  const raw = /\.ya?ml$/i.test(name) ? await fromYaml(name, content) : fromLines(content);
  const problems = raw.flatMap(({ label, entry }) => problemsOf(entry).map((problem) => `${label} ${problem}`));
  if (problems.length > 0) throw malformed(name, problems);
  return raw.map(({ entry }) => ({
    id: String(entry['id']),
    reason: String(entry['reason']).trim(),
    until: String(entry['until']),
    where: String(entry['where'] ?? '').trim(),
  }));
}

interface RawEntry {
  /** How the entry is named in a message. */
  readonly label: string;
  readonly entry: Readonly<Record<string, unknown>>;
}

async function fromYaml(name: string, content: string): Promise<readonly RawEntry[]> {
  const { parse } = await import('yaml');
  let document: unknown;
  try {
    document = parse(content, { schema: 'core', maxAliasCount: 10 });
  } catch (error) {
    throw malformed(name, [`is not YAML: ${messageOf(error).split('\n')[0]}`]);
  }
  if (document === null) return [];
  const list = typeof document === 'object' && 'ignore' in document ? document.ignore : document;
  if (!Array.isArray(list)) throw malformed(name, ['has no list `ignore:`']);
  return list.map((entry: unknown, index) => ({
    label: `entry ${index + 1}`,
    entry: typeof entry === 'object' && entry !== null ? { ...entry } : { id: entry },
  }));
}

function fromLines(content: string): readonly RawEntry[] {
  return content.split(/\r?\n/).flatMap((text, index): RawEntry[] => {
    const line = text.trim();
    if (line === '' || line.startsWith('#')) return [];
    const [id = '', rest = ''] = split(line, /\s+/);
    const [fields = '', reason] = split(rest, /(?:^|\s)reason=/);
    const entry: Record<string, unknown> = { id, ...(reason === undefined ? {} : { reason }) };
    for (const field of fields.split(/\s+/).filter(Boolean)) {
      const [key = '', value = ''] = split(field, /=/);
      entry[key] = value;
    }
    return [{ label: `line ${index + 1}`, entry }];
  });
}

function split(text: string, separator: RegExp): [string, string?] {
  const match = separator.exec(text);
  return match ? [text.slice(0, match.index), text.slice(match.index + match[0].length)] : [text];
}

function problemsOf(entry: Readonly<Record<string, unknown>>): readonly string[] {
  const { id, reason, until, where } = entry;
  return [
    ...(typeof id === 'string' && ID.test(id) ? [] : ['has no usable `id` (a rule or an advisory)']),
    ...(typeof reason === 'string' && reason.trim() !== '' ? [] : ['has no `reason`']),
    ...(typeof until === 'string' && isDay(until) ? [] : ['has no expiry `until` of the form YYYY-MM-DD']),
    ...(where === undefined || typeof where === 'string' ? [] : ['has a `where` that is no text']),
    ...Object.keys(entry)
      .filter((key) => !['id', 'reason', 'until', 'where'].includes(key))
      .map((key) => `has the unknown field ${JSON.stringify(key.slice(0, 40))}`),
  ];
}

function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function malformed(name: string, problems: readonly string[]): UserError {
  const more = problems.length > 10 ? `; and ${problems.length - 10} more` : '';
  return new UserError(
    `The ignore file ${name} cannot be used: ${problems.slice(0, 10).join('; ')}${more}.`,
    'Give every entry an `id`, a `reason` and an expiry date `until`.',
  );
}

/** What an ignore file does to findings. */
export interface Ignored {
  readonly kept: readonly Finding[];
  readonly ignored: readonly { readonly finding: Finding; readonly entry: IgnoreEntry }[];
  /** Past their date: not applied. */
  readonly expired: readonly IgnoreEntry[];
  /** In force, but nothing was found that they are for. */
  readonly unused: readonly IgnoreEntry[];
}

/** @param now milliseconds since the epoch. */
export function applyIgnores(findings: readonly Finding[], entries: readonly IgnoreEntry[], now: number): Ignored {
  const today = new Date(now).toISOString().slice(0, 10);
  const inForce = entries.filter((entry) => entry.until >= today);
  const kept: Finding[] = [];
  const ignored: { finding: Finding; entry: IgnoreEntry }[] = [];
  for (const finding of findings) {
    const entry = inForce.find((each) => matches(each, finding));
    if (entry) ignored.push({ finding, entry });
    else kept.push(finding);
  }
  return {
    kept,
    ignored,
    expired: entries.filter((entry) => entry.until < today),
    unused: inForce.filter((entry) => !ignored.some((each) => each.entry === entry)),
  };
}

function matches(entry: IgnoreEntry, finding: Finding): boolean {
  const id = entry.id.toUpperCase();
  const named = [finding.id, ...finding.aliases].some((name) => name.toUpperCase() === id);
  return named && placeOf(finding.where).includes(entry.where);
}
