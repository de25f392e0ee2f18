import type { Ask } from './api.ts';

interface Issue {
  readonly number: number;
  readonly body?: string | null;
  readonly html_url: string;
  readonly pull_request?: unknown;
}

/** By which monitoring finds its own issues again. */
export const LABEL = 'cd-actions-monitoring';

export interface Trouble {
  /** Whose it is, such as `shop@production`: one open issue for each. */
  readonly key: string;
  readonly title: string;
  readonly text: string;
}

const marker = (key: string): string => `<!-- cd-actions: ${key} -->`;

async function openIssue(ask: Ask, key: string): Promise<Issue | undefined> {
  const found = (await ask('GET /repos/{owner}/{repo}/issues', {
    state: 'open',
    labels: LABEL,
    per_page: 100,
  })) as Issue[];
  return found.find((issue) => !issue.pull_request && issue.body?.startsWith(marker(key)));
}

/** Opens an issue about a trouble, or brings the open one up to date. Returns its address. */
export async function reportTrouble(ask: Ask, { key, title, text }: Trouble): Promise<string> {
  const body = `${marker(key)}\n${text}`;
  const open = await openIssue(ask, key);
  if (open) {
    await ask('PATCH /repos/{owner}/{repo}/issues/{issue_number}', { issue_number: open.number, body });
    return open.html_url;
  }
  const made = await ask('POST /repos/{owner}/{repo}/issues', { title, body, labels: [LABEL] });
  return (made as Issue).html_url;
}

/** Says in the open issue that the trouble is over, and closes it. Returns its address; empty when there was none. */
export async function reportRecovery(ask: Ask, key: string, text: string): Promise<string> {
  const open = await openIssue(ask, key);
  if (!open) return '';
  const issue_number = open.number;
  await ask('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number, body: text });
  const closed = { issue_number, state: 'closed', state_reason: 'completed' };
  await ask('PATCH /repos/{owner}/{repo}/issues/{issue_number}', closed);
  return open.html_url;
}
