import type { Where } from './finding.ts';

/** The lines of one instruction, its continuations included. */
interface Instruction {
  readonly line: number;
  readonly keyword: string;
  readonly text: string;
}

/** What stands for a part of the image's configuration in a Dockerfile. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  User: ['USER'],
  Env: ['ENV', 'ARG'],
  Labels: ['LABEL'],
  Cmd: ['CMD'],
  Entrypoint: ['ENTRYPOINT'],
  Healthcheck: ['HEALTHCHECK'],
  ExposedPorts: ['EXPOSE'],
};

/**
 * The line of a Dockerfile, from 1, at which to show a finding: the instruction that made it where one can be told, else the `FROM` of
 * the last stage. 1 for an empty text.
 */
export function dockerfileLine(dockerfile: string, where: Where): number {
  const instructions = parse(dockerfile);
  const from = instructions.findLast(({ keyword }) => keyword === 'FROM')?.line ?? 1;
  if (where.kind !== 'config') return from;
  const dot = where.key.indexOf('.');
  const [part, name] = dot < 0 ? [where.key, ''] : [where.key.slice(0, dot), where.key.slice(dot + 1)];
  const keywords = KEYWORDS[part] ?? [];
  const wanted = name.split('/')[0] ?? '';
  const found = instructions.findLast(({ keyword, text }) => keywords.includes(keyword) && text.includes(wanted));
  return found?.line ?? from;
}

function parse(dockerfile: string): readonly Instruction[] {
  const instructions: Instruction[] = [];
  let continued: { line: number; text: string } | null = null;
  for (const [index, raw] of dockerfile.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const begun: { line: number; text: string } = continued ?? { line: index + 1, text: '' };
    begun.text += `${line.replace(/\\$/, '')} `;
    continued = line.endsWith('\\') ? begun : null;
    if (continued) continue;
    const keyword = /^\S+/.exec(begun.text)?.[0].toUpperCase() ?? '';
    instructions.push({ line: begun.line, keyword, text: begun.text });
  }
  return instructions;
}
