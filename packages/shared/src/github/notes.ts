import { type Ask, code } from './api.ts';

interface Comparison {
  readonly total_commits: number;
  readonly html_url: string;
  readonly commits: readonly { readonly sha: string; readonly commit: { readonly message: string } }[];
}

const MOST_COMMITS = 50;

/** The commits between two versions as a Markdown list, the newest first; empty when there are none. A version is a commit or a tag. */
export async function releaseNotes(ask: Ask, from: string, to: string): Promise<string> {
  const { commits, total_commits, html_url } = (await ask('GET /repos/{owner}/{repo}/compare/{basehead}', {
    basehead: `${from}...${to}`,
    per_page: 100,
  })) as Comparison;
  const lines = commits
    .slice(-MOST_COMMITS)
    .reverse()
    .map(({ sha, commit }) => `- ${sha.slice(0, 7)} ${code(commit.message)}`);
  const more = total_commits - lines.length;
  return [...lines, ...(more > 0 ? [`- and ${more} more: ${html_url}`] : [])].join('\n');
}
