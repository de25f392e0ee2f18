/** One call of GitHub's REST API, by its route as the documentation writes it. Rejects with what GitHub said. */
export type Ask = (route: string, parameters?: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** Milliseconds; telling GitHub must not hold up a delivery. */
const TIMEOUT = 15_000;

/** GitHub at `baseUrl`, for one repository (`owner/name`). */
export async function githubApi(token: string, repository: string, baseUrl: string): Promise<Ask> {
  const { getOctokit } = await import('@actions/github');
  const octokit = getOctokit(token, { baseUrl });
  const [owner = '', repo = ''] = repository.split('/');
  return async (route, parameters = {}) => {
    const request = { signal: AbortSignal.timeout(TIMEOUT) };
    const { data } = await octokit.request(route, { owner, repo, ...parameters, request });
    return data;
  };
}

/** The text as code in Markdown: no mention, no reference, no markup comes of it. */
export function code(text: string): string {
  const line = text
    .replaceAll(/[\r\n].*/gs, '')
    .replaceAll('`', "'")
    .trim()
    .slice(0, 200);
  return `\`${line || ' '}\``;
}
