import { execFile } from 'node:child_process';
import type { Commit } from './main.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The commit of the workflow run or of the checkout; what cannot be known is empty or null. Needs no network. */
export async function currentCommit(workspace: string, env: Env): Promise<Commit> {
  const given = /^[0-9a-f]{40,64}$/.test(env['GITHUB_SHA'] ?? '') ? (env['GITHUB_SHA'] ?? '') : '';
  const sha = given || (await git(workspace, 'rev-parse', '--verify', 'HEAD'));
  const time = sha === '' ? '' : await git(workspace, 'log', '-1', '--format=%ct', sha);
  return { sha, time: /^\d{1,12}$/.test(time) ? Number(time) : null, source: await sourceOf(workspace, env) };
}

async function sourceOf(workspace: string, env: Env): Promise<string> {
  const repository = env['GITHUB_REPOSITORY'];
  if (repository) return `${env['GITHUB_SERVER_URL'] ?? 'https://github.com'}/${repository}`;
  return publicUrl(await git(workspace, 'config', '--get', 'remote.origin.url'));
}

/** A remote's address without the credentials that it may hold; empty when it is no web or SSH address. */
export function publicUrl(remote: string): string {
  const ssh = /^(?:ssh:\/\/)?git@([A-Za-z0-9.-]+)[:/](.+)$/.exec(remote);
  const url = ssh ? `https://${ssh[1]}/${ssh[2]}` : remote;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return '';
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\.git$/, '')}`;
}

/** What git prints; empty when there is no git or no repository. */
function git(workspace: string, ...arguments_: readonly string[]): Promise<string> {
  // A checkout made by another user (a container job) is refused by git unless it is named safe.
  const options = ['-c', `safe.directory=${workspace}`, ...arguments_];
  return new Promise((resolve) => {
    execFile('git', options, { cwd: workspace, timeout: 10_000 }, (error, stdout) =>
      resolve(error ? '' : stdout.trim()),
    );
  });
}
