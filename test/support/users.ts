import http from 'node:http';

/** What one answer says. */
export interface Answer {
  readonly status: number;
  readonly version: string;
  /** The cookie that keeps a user on a version; empty when none was set. */
  readonly cookie: string;
}

/** Asks many times over a few connections: one request for each set of headers, in their order. */
export async function askAll(url: string, requests: readonly Record<string, string>[]): Promise<readonly Answer[]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 24 });
  const answers = await Promise.all(requests.map((headers) => ask(url, headers, agent)));
  agent.destroy();
  return answers;
}

function ask(url: string, headers: Record<string, string>, agent: http.Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, headers }, (response) => {
      response.resume().on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          version: String(response.headers['x-version'] ?? ''),
          cookie: (response.headers['set-cookie'] ?? []).map((each) => each.split(';')[0] ?? '').join('; '),
        }),
      );
    });
    request.on('error', reject);
  });
}

/** Users who come for the first time, each with the version that it got and the cookie that it was given. */
export const newUsers = (url: string, count: number): Promise<readonly Answer[]> =>
  askAll(
    url,
    Array.from({ length: count }, () => ({})),
  );

/** The same users again. */
export const again = (url: string, users: readonly Answer[]): Promise<readonly Answer[]> =>
  askAll(
    url,
    users.map(({ cookie }) => ({ cookie })),
  );

export const countOf = (answers: readonly Answer[], version: string): number =>
  answers.filter((answer) => answer.version === version).length;
