import type { Check, Expectation } from './check.ts';
import type { Failure } from './failure.ts';
import { type Answer, ask, type ProbeOptions } from './http.ts';
import { compare, follow } from './json-path.ts';

export interface CheckOptions extends Omit<ProbeOptions, 'method' | 'maxBody'> {
  /** When given, an answer of any other version, or of none, is a failure. */
  readonly expectVersion?: string;
}

/** How one check went, once. */
export interface CheckResult {
  readonly check: string;
  readonly url: string;
  readonly passed: boolean;
  /** What was not as expected, one sentence each; empty when it passed. */
  readonly reasons: readonly string[];
  /** 0 without an answer. */
  readonly status: number;
  /** Which version answered; empty when the answer does not say. */
  readonly version: string;
  readonly milliseconds: number;
  readonly failure: Failure | null;
  /** The first characters of the body of a failed check, for the log. */
  readonly excerpt: string;
}

const EXCERPT = 200;

/** Runs the checks one after the other, each on a connection of its own. Rejects only when `signal` is aborted. */
export async function runChecks(
  base: string,
  checks: readonly Check[],
  options: CheckOptions = {},
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const each of checks) results.push(await runCheck(base, each, options));
  return results;
}

/** Runs one check. `base` may have a path: the check's path is appended to it. */
export async function runCheck(base: string, check: Check, options: CheckOptions = {}): Promise<CheckResult> {
  const url = under(base, check.path);
  const answer = await ask(url, { ...options, method: check.method });
  const reasons = answer.failure ? [answer.error] : judge(check, answer, options.expectVersion);
  const passed = reasons.length === 0;
  return {
    check: check.text,
    url: url.href,
    passed,
    reasons,
    status: answer.status,
    version: answer.version,
    milliseconds: answer.milliseconds,
    failure: answer.failure,
    excerpt: passed ? '' : printable(answer.body.slice(0, EXCERPT)),
  };
}

/** The check's path below the base URL's own. */
export function under(base: string, path: string): URL {
  const url = new URL(base);
  return new URL(`${url.origin}${url.pathname.replace(/\/$/, '')}${path}`);
}

/** Everything about an answer that is not as expected. */
export function judge(check: Check, answer: Answer, expectVersion?: string): readonly string[] {
  const reasons: string[] = [];
  if (!check.status.some(([from, to]) => answer.status >= from && answer.status <= to)) {
    const wanted = check.status.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(' or ');
    reasons.push(`status ${answer.status} instead of ${wanted}`);
  }
  if (expectVersion !== undefined && answer.version !== expectVersion)
    reasons.push(
      answer.version === ''
        ? 'the answer names no version'
        : `version ${answer.version} answered instead of ${expectVersion}`,
    );
  for (const each of check.expectations) {
    const reason = unmet(each, answer);
    if (reason !== null) reasons.push(reason);
  }
  return reasons;
}

function unmet(expectation: Expectation, answer: Answer): string | null {
  switch (expectation.kind) {
    case 'time': {
      const { limit, inclusive, text } = expectation;
      const met = inclusive ? answer.milliseconds <= limit : answer.milliseconds < limit;
      return met ? null : `took ${Math.round(answer.milliseconds)} ms, not ${text}`;
    }
    case 'body':
      if (answer.body.includes(expectation.contains)) return null;
      return `the body does not contain ${JSON.stringify(expectation.contains)}${answer.truncated ? ' in its first MiB' : ''}`;
    case 'header':
      return unmetHeader(expectation, answer.headers[expectation.name.toLowerCase()]);
    default:
      return unmetJson(expectation, answer);
  }
}

function unmetHeader(expectation: Extract<Expectation, { kind: 'header' }>, found: string | undefined): string | null {
  const { name, value } = expectation;
  if (found === undefined) return `the answer has no header ${name}`;
  if (value === null) return null;
  const met = value.match === 'equal' ? found === value.value : found.includes(value.value);
  return met ? null : `header ${name} is ${JSON.stringify(found.slice(0, 80))}, which is not ${expectation.text}`;
}

function unmetJson(expectation: Extract<Expectation, { kind: 'json' }>, answer: Answer): string | null {
  if (answer.truncated) return 'the body is larger than 1 MiB and cannot be read as JSON';
  let document: unknown;
  try {
    document = JSON.parse(answer.body);
  } catch {
    return 'the body is not JSON';
  }
  const found = follow(document, expectation.path);
  if (found === undefined) return `${expectation.text}: there is nothing at this path`;
  if (expectation.compare === null) return null;
  const { operator, literal } = expectation.compare;
  if (compare(found, operator, literal)) return null;
  return `${expectation.text}: found ${JSON.stringify(found).slice(0, 80)}`;
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ').trim();
}
