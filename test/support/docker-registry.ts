import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The only user of the test registry. The hash below is of this password. */
export const LOGIN = { username: 'tester', password: 'pa$$w0rd-of-the-test' };
const HTPASSWD = 'tester:$2a$05$vVKBNa0dwoFQD4H2ufh4F.eKUIOXcbfBoztAOfRLNyMUz5GYOAA7K\n';

export interface TestRegistry {
  /** `127.0.0.1:port`: Docker allows plain HTTP on loopback. */
  readonly host: string;
  /** The digest that it has under a tag, asked without Docker; null when it has none. */
  digest(repository: string, tag: string): Promise<string | null>;
  stop(): void;
}

const MANIFESTS = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
].join(', ');

/** Starts a registry with a login on a free port of the loopback, its data in a directory of its own. */
export async function startRegistry(binary: string): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'cd-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  writeFileSync(join(directory, 'htpasswd'), HTPASSWD);
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(directory, 'data') } },
    http: { addr: host },
    auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } },
  };
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config));
  const child = spawn(binary, ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
  await answering(host, child);
  const authorization = `Basic ${Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')}`;
  return {
    host,
    async digest(repository, tag) {
      const url = `http://${host}/v2/${repository}/manifests/${tag}`;
      const answer = await fetch(url, { method: 'HEAD', headers: { authorization, accept: MANIFESTS } });
      return answer.headers.get('docker-content-digest');
    },
    stop() {
      child.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

async function answering(host: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100 && child.exitCode === null; attempt += 1) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => null);
    if (answer) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('docker-registry did not start');
}
