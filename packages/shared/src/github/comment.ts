import type { Ask } from './api.ts';

interface Comment {
  readonly id: number;
  readonly body?: string | null;
  readonly html_url: string;
}

const PER_PAGE = 100;
const MOST_PAGES = 10;

/** The number of the pull request that a commit came with; null when it came with none. */
export async function pullRequestOf(ask: Ask, sha: string): Promise<number | null> {
  const found = (await ask('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', { commit_sha: sha })) as {
    number: number;
  }[];
  return found[0]?.number ?? null;
}

/**
 * One comment per `key` on a pull request: written anew by each delivery, not added to. Returns its address.
 * A comment that carries the key and cannot be changed, because somebody else wrote it, is left alone.
 */
export async function stickyComment(ask: Ask, number: number, key: string, text: string): Promise<string> {
  const marker = `<!-- cd-actions: ${key} -->`;
  const body = `${marker}\n${text}`;
  const own = await findComment(ask, number, marker);
  if (own !== undefined) {
    const changed = await ask('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', {
      comment_id: own.id,
      body,
    }).catch((error: { status?: number }) => {
      if (error.status !== 403 && error.status !== 404) throw error;
      return null;
    });
    if (changed !== null) return (changed as Comment).html_url;
  }
  const made = await ask('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number: number, body });
  return (made as Comment).html_url;
}

async function findComment(ask: Ask, number: number, marker: string): Promise<Comment | undefined> {
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const comments = (await ask('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      issue_number: number,
      per_page: PER_PAGE,
      page,
    })) as Comment[];
    const found = comments.find((comment) => comment.body?.startsWith(marker));
    if (found || comments.length < PER_PAGE) return found;
  }
  return undefined;
}
