import type { Where } from '../finding.ts';
import type { Candidate } from './candidate.ts';
import type { RuleId } from './rules.ts';

/** So many of one rule in one directory are told apart; more are one finding. */
const APART_IN_GROUP = 5;
/** So many findings of one rule are told apart; more are one finding (`chmod -R 777 /` has thousands). */
const APART_IN_IMAGE = 50;
/** Never of interest one by one. */
const ALWAYS_TOGETHER: ReadonlySet<RuleId> = new Set(['CD032']);
/** Each is a fault of its own, however many there are. */
const ALWAYS_APART: ReadonlySet<RuleId> = new Set(['CD012', 'CD013', 'CD014', 'CD020']);

/** A candidate that counts, with its place in the image. */
export interface Settled {
  readonly candidate: Candidate;
  /** From 1. */
  readonly layer: number;
  /** The later layer that removed or replaced the file; null while it is visible. */
  readonly goneIn: number | null;
}

/** One finding to be. */
export interface Placed {
  readonly rule: RuleId;
  readonly detail: string;
  readonly where: Where;
}

/** Joins what nobody wants to read one by one: the files of a cache, a tree that everybody may write. */
export function grouped(all: readonly Settled[]): readonly Placed[] {
  return [...Map.groupBy(all, ({ candidate }) => candidate.rule)].flatMap(([rule, ofRule]) => {
    const groups = [...Map.groupBy(ofRule, ({ candidate }) => candidate.group)];
    const placed = groups.flatMap(([group, members]) => {
      const together = group !== '' && (ALWAYS_TOGETHER.has(rule) || members.length > APART_IN_GROUP);
      return together ? [joined(rule, group, members)] : members.map(single);
    });
    if (placed.length <= APART_IN_IMAGE || ALWAYS_APART.has(rule)) return placed;
    return [joined(rule, commonDirectory(ofRule.map(({ candidate }) => candidate.path)), ofRule)];
  });
}

function single({ candidate, layer, goneIn }: Settled): Placed {
  const { rule, detail, path, line } = candidate;
  return { rule, detail, where: { kind: 'file', path, layer, line, goneIn } };
}

function joined(rule: RuleId, path: string, members: readonly Settled[]): Placed {
  const bytes = members.reduce((sum, { candidate }) => sum + candidate.size, 0);
  const size = bytes >= 1_048_576 ? `${(bytes / 1_048_576).toFixed(1)} MiB` : `${Math.ceil(bytes / 1024)} KiB`;
  const examples = members.slice(0, 3).map(({ candidate }) => `/${candidate.path}`);
  const detail = `${members.length} of them, ${size}, such as ${examples.join(', ')}`;
  const layer = Math.max(...members.map((member) => member.layer));
  return { rule, detail, where: { kind: 'file', path, layer, line: null, goneIn: null } };
}

function commonDirectory(paths: readonly string[]): string {
  const [first = [], ...rest] = paths.map((path) => path.split('/').slice(0, -1));
  let length = first.length;
  for (const parts of rest) {
    while (length > 0 && first.slice(0, length).join('/') !== parts.slice(0, length).join('/')) length -= 1;
  }
  return first.slice(0, length).join('/');
}
