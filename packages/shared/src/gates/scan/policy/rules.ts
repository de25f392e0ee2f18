import type { Rule } from './rule.ts';
import { FILE_RULES } from './rules-files.ts';
import { PROCESS_RULES } from './rules-process.ts';

const TABLE = [...FILE_RULES, ...PROCESS_RULES] as const;

export type RuleId = (typeof TABLE)[number][0];

/** Every rule, in order. */
export const RULES: readonly Rule[] = TABLE.map(([id, severity, cis, title, rationale, remedy]) => ({
  id,
  title,
  severity,
  rationale,
  remedy,
  cis,
}));

const byId = new Map(RULES.map((rule) => [rule.id, rule]));

export function ruleOf(id: RuleId): Rule {
  const rule = byId.get(id);
  if (!rule) throw new Error(`there is no rule ${id}`);
  return rule;
}

/** The rules as the README shows them. */
export function rulesTable(): string {
  const rows = RULES.map(
    ({ id, severity, title, cis, remedy }) => `| \`${id}\` | ${severity} | ${title} | ${cis} | ${remedy} |`,
  );
  return ['| rule | severity | what | CIS | remedy |', '|---|---|---|---|---|', ...rows].join('\n');
}
