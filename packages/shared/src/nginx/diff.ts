/** Lines of unchanged text around a change, as `diff -u` gives them. */
const CONTEXT = 3;

type Edit = readonly [kind: ' ' | '-' | '+', line: string];

/** A unified diff of two sets of files, by name; empty when they are the same. An absent file is an empty one. */
export function unifiedDiff(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.map((name) => fileDiff(name, before.get(name), after.get(name))).join('');
}

function fileDiff(name: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return '';
  const edits = editsBetween(linesOf(before), linesOf(after));
  const title = `--- ${before === undefined ? '/dev/null' : `a/${name}`}\n+++ ${after === undefined ? '/dev/null' : `b/${name}`}\n`;
  return title + hunks(edits).map(formatHunk).join('');
}

function linesOf(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return [];
  return text.replace(/\n$/, '').split('\n');
}

/** A shortest edit script by the longest common subsequence, after the common beginning and end are set aside. */
function editsBetween(a: readonly string[], b: readonly string[]): readonly Edit[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => [' ', line] as const);
  return [
    ...same(a.slice(0, start)),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...same(a.slice(a.length - end)),
  ];
}

function middle(a: readonly string[], b: readonly string[]): readonly Edit[] {
  // lengths[i][j]: the longest common subsequence of a from i and b from j.
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const row = lengths[i] as Uint32Array;
    for (let j = b.length - 1; j >= 0; j -= 1)
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const edits: Edit[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      edits.push([' ', a[i] as string]);
      i += 1;
      j += 1;
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) edits.push(['-', a[i++] as string]);
    else edits.push(['+', b[j++] as string]);
  }
  return edits;
}

interface Hunk {
  readonly oldStart: number;
  readonly newStart: number;
  readonly edits: readonly Edit[];
}

function hunks(edits: readonly Edit[]): readonly Hunk[] {
  const near = edits.map((_, index) =>
    edits.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(([kind]) => kind !== ' '),
  );
  const found: { oldStart: number; newStart: number; edits: Edit[] }[] = [];
  let oldLine = 1;
  let newLine = 1;
  for (const [index, edit] of edits.entries()) {
    if (near[index] && !near[index - 1]) found.push({ oldStart: oldLine, newStart: newLine, edits: [] });
    if (near[index]) found.at(-1)?.edits.push(edit);
    if (edit[0] !== '+') oldLine += 1;
    if (edit[0] !== '-') newLine += 1;
  }
  return found;
}

function formatHunk({ oldStart, newStart, edits }: Hunk): string {
  const count = (kind: '-' | '+'): number => edits.filter(([each]) => each === ' ' || each === kind).length;
  const range = (start: number, length: number): string => `${length === 0 ? start - 1 : start},${length}`;
  const body = edits.map(([kind, line]) => `${kind}${line}\n`).join('');
  return `@@ -${range(oldStart, count('-'))} +${range(newStart, count('+'))} @@\n${body}`;
}
