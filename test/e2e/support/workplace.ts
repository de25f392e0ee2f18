import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { releaseTree } from '../../../scripts/release/tree.ts';
import { type DockerHost, startDockerHost, withoutDockerHost } from '../../support/docker-host.ts';
import { parts } from '../../support/parts.ts';
import { type ActOptions, act, type WorkflowRun } from './act.ts';

export const ROOT = resolve(import.meta.dirname, '../../..');
const VERSION = '9.8.7';
/** The images that the actions take by default, and what stands for each where none can be pulled. */
const DEFAULTS = { nginx: defaultOf('nginx-image'), redis: defaultOf('redis-image'), node: 'node:24-slim' } as const;

function defaultOf(input: string): string {
  const manifest = parse(readFileSync(join(ROOT, 'actions/prepare-host/action.yml'), 'utf8'));
  return manifest.inputs[input].default;
}

/** act ignores concurrency, and refuses its newest key. */
const executable = (workflow: string): string => workflow.replaceAll(/^ +queue: max\n/gm, '');

/** Why workflows cannot be executed here; empty when they can. */
export function withoutWorkflows(): string {
  return parts.act ? withoutDockerHost() : (parts.skipped['act'] ?? 'act is not there');
}

/** A machine as a user has it: a Docker host with nothing on it, a runner there, a release of the suite, and repositories that call it. */
export class Workplace {
  readonly host: DockerHost;
  readonly directory: string;
  readonly tree: string;
  #runs = 0;

  private constructor(host: DockerHost, directory: string) {
    this.host = host;
    this.directory = directory;
    this.tree = join(directory, 'release');
    releaseTree({
      source: ROOT,
      dist: join(ROOT, 'dist'),
      out: this.tree,
      version: VERSION,
      repository: 'org/cd-actions',
    });
    for (const file of globSync('.github/workflows/*.yml', { cwd: this.tree })) {
      const path = join(this.tree, file);
      writeFileSync(path, executable(readFileSync(path, 'utf8')));
    }
  }

  static async open(): Promise<Workplace> {
    const { nginx, redis, node } = parts.images ?? {};
    if (!nginx || !redis || !node) throw new Error('The images are not there.');
    const host = await startDockerHost([nginx, redis, node], { bridge: true });
    const place = new Workplace(host, mkdtempSync(join(tmpdir(), 'cd-actions-e2e-')));
    for (const [image, tag] of [
      [nginx, DEFAULTS.nginx],
      [redis, DEFAULTS.redis],
      [node, DEFAULTS.node],
    ] as const)
      place.docker('tag', image, tag);
    return place;
  }

  docker(...args: readonly string[]): string {
    return execFileSync('docker', ['-H', this.host.url, ...args], { encoding: 'utf8' }).trim();
  }

  /** The public address of what listens on that port of the host, as users reach it. */
  url(port = 80): string {
    return `http://${this.host.address}:${port}`;
  }

  /** Which version answers the public now. */
  async live(path = '/api/items', port = 80): Promise<string | null> {
    const response = await fetch(this.url(port) + path, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    return response.headers.get('x-version');
  }

  /** A user's repository. */
  repository(name: string): Repository {
    return new Repository(this, name);
  }

  /** Runs a workflow of a repository. */
  run(repository: string, workflow: string, options: Partial<ActOptions>): Promise<WorkflowRun> {
    this.#runs += 1;
    const cache = join(this.directory, `run-${this.#runs}`);
    mkdirSync(cache);
    const refs = ['v1', `v${VERSION}`].map((ref) => `org/cd-actions@${ref}`);
    return act({ host: this.host, tree: this.tree, refs, repository, workflow, cache, ...options });
  }

  async close(): Promise<void> {
    await this.host.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A git repository with the sample application in it, listening on 8080. */
export class Repository {
  readonly directory: string;
  readonly #place: Workplace;

  constructor(place: Workplace, name: string) {
    this.#place = place;
    this.directory = join(place.directory, name);
    mkdirSync(this.directory);
    this.#git('init', '--quiet', '--initial-branch=main');
    this.#git('remote', 'add', 'origin', `https://github.com/octocat/${name}.git`);
    this.application('.');
  }

  /** The sample application in a folder. */
  application(folder: string): void {
    const sample = join(ROOT, 'test/fixtures/sample-app');
    this.write(
      join(folder, 'Dockerfile'),
      `FROM ${DEFAULTS.node}\nENV PORT=8080\nCOPY server.cjs ./\nUSER 1000:1000\nCMD ["node", "server.cjs"]\n`,
    );
    copyFileSync(join(sample, 'server.cjs'), join(this.directory, folder, 'server.cjs'));
  }

  write(path: string, text: string): void {
    const file = join(this.directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Changes a file; fails when there is nothing to change. */
  edit(path: string, from: string, to: string): void {
    const text = readFileSync(join(this.directory, path), 'utf8');
    if (!text.includes(from)) throw new Error(`${path} does not contain ${from}`);
    this.write(path, text.replace(from, to));
  }

  /** An example as it stands, values under `env` and `with` apart that a user would change too. */
  example(name: string, changes: Readonly<Record<string, string>> = {}): string {
    const path = `.github/workflows/${name}.yml`;
    this.write(path, executable(readFileSync(join(ROOT, 'workflows-examples', `${name}.yml`), 'utf8')));
    for (const [from, to] of Object.entries(changes)) this.edit(path, from, to);
    return path;
  }

  /** Commits all there is; returns the version that `build-image` names it. */
  commit(message: string): string {
    this.#git('add', '--all');
    const identity = ['-c', 'user.name=octocat', '-c', 'user.email=octocat@example.invalid'];
    this.#git(...identity, 'commit', '--quiet', '--allow-empty', '--message', message);
    return this.#git('rev-parse', 'HEAD').slice(0, 7);
  }

  /** The version of the last commit with that message. */
  log(message: string): string {
    return this.#git('log', '--max-count=1', '--format=%H', `--grep=^${message}$`).slice(0, 7);
  }

  run(workflow: string, options: Partial<ActOptions> = {}): Promise<WorkflowRun> {
    return this.#place.run(this.directory, workflow, options);
  }

  #git(...args: readonly string[]): string {
    return execFileSync('git', args, { cwd: this.directory, encoding: 'utf8' }).trim();
  }
}
