import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { buildxVersion } from '@cd-actions/shared/engine/buildx';
import { type Connection, connect } from '@cd-actions/shared/engine/connect';
import { dockerEngine } from '@cd-actions/shared/engine/docker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realClock } from '../support/clock.ts';
import { LOGIN, startRegistry, type TestRegistry } from '../support/docker-registry.ts';
import { parts } from '../support/parts.ts';
import { TOOLS } from '../support/tools.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ENTRY = join(ROOT, 'actions/build-image/src/index.ts');
const BASE = parts.images?.node ?? '';
const unique = `t${randomBytes(3).toString('hex')}`;

/** Buildx of the machine, or the one that was put beside the other test parts. */
const besides = join(TOOLS, 'buildx');
const dockerConfig = (await buildxVersion(process.env))
  ? {}
  : existsSync(join(besides, 'cli-plugins/docker-buildx'))
    ? { DOCKER_CONFIG: besides }
    : null;
if (!dockerConfig) console.log('Not run, no Buildx on this machine: building with BuildKit.');

interface Ran {
  readonly code: number;
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
}

/** Runs the action as a runner does, in a workspace of its own. */
async function run(workspace: string, inputs: Record<string, string>, env: Record<string, string> = {}): Promise<Ran> {
  const temp = mkdtempSync(join(tmpdir(), 'cd-run-'));
  for (const file of ['output', 'summary', 'state']) writeFileSync(join(temp, file), '');
  const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  const child = spawn(process.execPath, ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', ENTRY], {
    cwd: workspace,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      GITHUB_WORKSPACE: workspace,
      GITHUB_OUTPUT: join(temp, 'output'),
      GITHUB_STEP_SUMMARY: join(temp, 'summary'),
      GITHUB_STATE: join(temp, 'state'),
      RUNNER_TEMP: temp,
      ...Object.fromEntries(given),
      ...env,
    },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
    });
  const code = await new Promise<number>((done) => child.on('close', (exit) => done(exit ?? 1)));
  const outputs = outputsOf(readFileSync(join(temp, 'output'), 'utf8'));
  const summary = readFileSync(join(temp, 'summary'), 'utf8');
  rmSync(temp, { recursive: true });
  return { code, log, outputs, summary };
}

/** The runner's file format: `name<<mark`, lines, `mark`. */
function outputsOf(text: string): Record<string, string> {
  const found = [...text.matchAll(/^(.+?)<<(ghadelimiter_\S+)\n([\s\S]*?)\n?\2$/gm)];
  return Object.fromEntries(found.map(([, name = '', , value = '']) => [name, value]));
}

describe.skipIf(!parts.docker || !parts.images || !parts.registry)('build-image', () => {
  let registry: TestRegistry;
  let connection: Connection;
  let directory = '';
  let made = 0;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cd-build-'));
    registry = await startRegistry(parts.registry?.binary ?? '');
    connection = await connect(null);
  });
  afterAll(async () => {
    const { docker } = connection;
    const mine = (await docker.listImages()).filter(({ RepoTags, RepoDigests }) =>
      [...(RepoTags ?? []), ...(RepoDigests ?? [])].some((name) => name.includes(unique)),
    );
    for (const { Id } of mine) await docker.getImage(Id).remove({ force: true });
    connection.close();
    registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function workspace(files: Record<string, string>): string {
    made += 1;
    const root = join(directory, `w${made}`);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return root;
  }

  function commit(root: string): string {
    const git = (...options: readonly string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...options], {
        cwd: root,
        env: { ...process.env, GIT_COMMITTER_DATE: '2030-01-02T03:04:05Z' },
        encoding: 'utf8',
      });
    git('init', '-q');
    git('remote', 'add', 'origin', 'https://token@example.org/acme/shop.git');
    git('add', '.');
    git('commit', '-q', '-m', 'one');
    return git('rev-parse', 'HEAD').trim();
  }

  const builders: readonly (readonly [string, Record<string, string> | null])[] = [
    ['engine', {}],
    ['buildx', dockerConfig],
  ];

  describe.each(builders)('with the builder %s', (builder, env) => {
    describe.skipIf(env === null)('', () => {
      const build = (root: string, inputs: Record<string, string>) =>
        run(root, { image: `${unique}/${builder}`, version: 'v1', builder, ...inputs }, env ?? {});

      it('pushes with a login, and gives the digest that the registry has', async () => {
        const root = workspace({ Dockerfile: 'FROM scratch\nARG WHO\nCOPY hello /\nENV WHO=$WHO\n', hello: 'hello' });
        const sha = commit(root);
        const image = `${registry.host}/${unique}/${builder}`;
        const ran = await build(root, {
          image,
          version: '',
          tags: 'latest',
          'build-args': 'WHO=me',
          labels: 'team=web',
          push: 'true',
          'registry-username': LOGIN.username,
          'registry-password': LOGIN.password,
        });
        expect(ran.log).not.toContain('::error');
        expect(ran.code).toBe(0);
        const version = sha.slice(0, 7);
        const digest = await registry.digest(`${unique}/${builder}`, version);
        expect(digest).toMatch(/^sha256:/);
        expect(await registry.digest(`${unique}/${builder}`, 'latest')).toBe(digest);
        expect(ran.outputs).toMatchObject({ image: `${image}@${digest}`, digest, version });
        expect(ran.outputs['tags']).toBe(`${image}:${version}\n${image}:latest`);
        expect(ran.summary).toContain(digest ?? '?');
        const info = await connection.docker.getImage(`${image}:latest`).inspect();
        expect(info.Id).toBe(ran.outputs['image-id']);
        expect(String(info.Size)).toBe(ran.outputs['size']);
        expect(info.Config.Env).toContain('WHO=me');
        expect(info.Config.Labels).toEqual({
          team: 'web',
          'org.opencontainers.image.created': '2030-01-02T03:04:05Z',
          'org.opencontainers.image.revision': sha,
          'org.opencontainers.image.source': 'https://example.org/acme/shop',
          'org.opencontainers.image.version': version,
        });
        expect(ran.log.replaceAll(/::add-mask::.*/g, '')).not.toContain(LOGIN.password);
        await pulledByDigest(image, ran.outputs['image'] ?? '', digest ?? '', info.Id);
      });

      it('names the step that fails, with what it printed', async () => {
        const root = workspace({ Dockerfile: `FROM ${BASE}\nRUN echo before; echo ::error::fake; exit 9\n` });
        const ran = await build(root, {});
        expect(ran.code).toBe(1);
        expect(ran.log).toMatch(/::group::.*RUN echo before[\s\S]*\nbefore\n> ::error::fake\n[\s\S]*::endgroup::/);
        expect(ran.log).toMatch(/::error::build-image failed\. The build failed in the step .*RUN echo before.*9/);
        expect(ran.outputs).toEqual({});
      });

      it("sees the files that Docker's own command sees, the Dockerfile beside them", async () => {
        const root = workspace({
          '.dockerignore':
            '# none of these\n**/*.log\nsecret\n!secret/public/**\ndeep/*/x\nDockerfile*\n.dockerignore\nbuild\n',
          'build/Dockerfile': `FROM ${BASE}\nCOPY . /ctx\n`,
          'a.txt': '1',
          'a.log': '1',
          'deep/b.log': '1',
          'deep/1/x': '1',
          'deep/1/y': '1',
          'secret/key': '1',
          'secret/public/cert': '1',
          empty: '',
        });
        symlinkSync('a.txt', join(root, 'link'));
        const ran = await build(root, { file: 'build/Dockerfile' });
        expect(ran.log).not.toContain('::error');
        const image = ran.outputs['image'] ?? '';
        const list = ['run', '--rm', image, 'sh', '-c', 'cd /ctx && find . | sort'];
        const files = execFileSync('docker', list, { encoding: 'utf8' }).trim().split('\n');
        expect(files).toEqual([
          '.',
          './a.txt',
          './deep',
          './deep/1',
          './deep/1/y',
          './empty',
          './link',
          './secret',
          './secret/public',
          './secret/public/cert',
        ]);
      });

      it('tells what to do when the registry refuses', async () => {
        const root = workspace({ Dockerfile: 'FROM scratch\nLABEL a=b\n' });
        const image = `${registry.host}/${unique}/${builder}`;
        const login = { 'registry-username': LOGIN.username, 'registry-password': 'wrong-password' };
        const ran = await build(root, { image, push: 'true', ...login });
        expect(ran.code).toBe(1);
        expect(ran.log).toMatch(/could not be pushed: .*`registry-username` and `registry-password`/);
        expect(ran.log.replaceAll(/::add-mask::.*/g, '')).not.toContain('wrong-password');
      });
    });
  });

  async function pulledByDigest(image: string, byDigest: string, digest: string, id: string): Promise<void> {
    await connection.docker.getImage(id).remove({ force: true });
    const registryAuth = async () => ({ ...LOGIN, serveraddress: registry.host });
    const options = {
      host: null,
      docker: connection.docker,
      network: 'none',
      addressing: 'network',
      clock: realClock,
    } as const;
    await expect(dockerEngine({ ...options, registryAuth: async () => null }).image(byDigest)).rejects.toThrow(
      /: Get .*no basic auth/,
    );
    const facts = await dockerEngine({ ...options, registryAuth }).image(byDigest);
    expect(facts).toMatchObject({ id, digest });
    expect(byDigest.startsWith(image)).toBe(true);
    await connection.docker.getImage(byDigest).remove({ force: true });
  }

  describe.skipIf(!dockerConfig)('with BuildKit', () => {
    it('hands secrets to the step alone', async () => {
      const root = workspace({
        Dockerfile: `FROM ${BASE}\nRUN --mount=type=secret,id=token cat /run/secrets/token | wc -c > /length\n`,
        'Dockerfile.dockerignore': 'Dockerfile',
      });
      const inputs = { image: `${unique}/secret`, version: 'v1', builder: 'buildx', secrets: 'token=s3cret-of-build' };
      const ran = await run(root, inputs, dockerConfig ?? {});
      expect(ran.log).not.toContain('::error');
      const image = connection.docker.getImage(`${unique}/secret:v1`);
      const length = execFileSync('docker', ['run', '--rm', `${unique}/secret:v1`, 'cat', '/length'], {
        encoding: 'utf8',
      });
      expect(length.trim()).toBe(String('s3cret-of-build'.length));
      expect(JSON.stringify([await image.inspect(), await image.history()])).not.toContain('s3cret-of-build');
      expect(ran.log.replaceAll(/::add-mask::.*/g, '')).not.toContain('s3cret-of-build');
    });
  });

  it('ends at once when the run is cancelled', async () => {
    const root = workspace({ Dockerfile: `FROM ${BASE}\nRUN sleep 60\n` });
    const child = spawn(process.execPath, [ENTRY], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        GITHUB_WORKSPACE: root,
        INPUT_IMAGE: `${unique}/slow`,
        INPUT_VERSION: 'v1',
        INPUT_BUILDER: 'engine',
      },
    });
    let log = '';
    const begun = new Promise<void>((done) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        log += chunk;
        if (log.includes('RUN sleep')) done();
      });
    });
    const ended = new Promise<number>((done) => child.on('close', (code) => done(code ?? 1)));
    await begun;
    const start = Date.now();
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
    expect(Date.now() - start).toBeLessThan(5000);
    expect(log).toContain('The run was cancelled');
  });

  it('refuses what leads out of the workspace, and tells all wrong inputs at once', async () => {
    const root = workspace({ Dockerfile: 'FROM scratch\n' });
    symlinkSync('/etc', join(root, 'etc'));
    const inputs = { image: `${unique}/never`, version: 'v1', builder: 'engine' };
    const { log } = await run(root, { ...inputs, context: 'etc' });
    expect(log).toMatch(/`context`.*outside the workspace/);
    const wrong = await run(root, { ...inputs, context: '../..', image: 'A B', push: 'perhaps' });
    expect(wrong.code).toBe(1);
    for (const name of ['context', 'image', 'push']) expect(wrong.log).toContain(`Input \`${name}\``);
  });
});
