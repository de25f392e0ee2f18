import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parts } from '../support/parts.ts';
import { freePort, type LocalRedis, startRedis } from '../support/redis.ts';
import { type ActionRun, actionNames, runAction } from '../support/run-action.ts';

const sampleApp = resolve(import.meta.dirname, '../fixtures/sample-app');
const mark = randomBytes(3).toString('hex');
const app = 'bundle';
const environment = `test-${mark}`;
const nginxContainer = `cd-bundle-nginx-${mark}`;
const repository = `cd-actions-test/bundle-${mark}`;

/** The bundles of `dist` in the order of a workflow: each runs once, well, as the runner runs it. */
describe.skipIf(!parts.docker || !parts.images || !parts.redis)('the bundles deliver a real application', () => {
  const ran = new Set<string>();
  let redis: LocalRedis;
  let docker: Docker;
  let directory: string;
  let port: number;
  let target = '';

  beforeAll(async () => {
    docker = new Docker({ socketPath: parts.docker?.socket ?? '' });
    redis = await startRedis();
    port = await freePort();
    directory = mkdtempSync(join(tmpdir(), 'cd-actions-bundle-'));
  });

  afterAll(async () => {
    await redis?.stop();
    const label = [`cd-actions.deployment=${app}@${environment}`];
    const left = await docker.listContainers({ all: true, filters: { label } });
    for (const id of [...left.map((each) => each.Id), nginxContainer]) {
      await docker
        .getContainer(id)
        .remove({ force: true, v: true })
        .catch(() => undefined);
    }
    await docker
      .getVolume(`${nginxContainer}-config`)
      .remove()
      .catch(() => undefined);
    for (const version of ['1', '2'])
      await docker
        .getImage(`${repository}:${version}`)
        .remove()
        .catch(() => undefined);
    rmSync(directory, { recursive: true, force: true });
  });

  async function passes(name: string, inputs: Readonly<Record<string, string>>): Promise<ActionRun> {
    const run = await runAction(name, inputs, { cwd: sampleApp, temp: directory, seconds: 90 });
    expect(run.code, run.stdout).toBe(0);
    expect(run.stdout).not.toMatch(/^::error/m);
    ran.add(name);
    return run;
  }

  const deployment = (): Readonly<Record<string, string>> => ({
    app,
    environment,
    'redis-url': redis.url,
    hosts: `unix://${parts.docker?.socket}`,
    'nginx-container': nginxContainer,
    'nginx-image': parts.images?.nginx ?? '',
    'nginx-ports': String(port),
  });

  async function release(version: string): Promise<void> {
    const built = await passes('build-image', {
      image: repository,
      version,
      'build-args': `BASE=${parts.images?.node}\nVERSION=${version}`,
    });
    expect(built.outputs).toMatchObject({ image: `${repository}:${version}`, version });
    const registered = await passes('register-container', {
      ...deployment(),
      image: built.outputs['image'] ?? '',
      version,
      port: '3000',
      'health-stable': '500ms',
    });
    expect(JSON.parse(registered.outputs['instances'] ?? '[]')).toHaveLength(1);
    target = registered.outputs['url'] ?? '';
  }

  async function goLive(version: string): Promise<ActionRun> {
    const run = await passes('switch-traffic', {
      ...deployment(),
      version,
      listen: String(port),
      steps: '100',
      'drain-timeout': '1s',
    });
    expect(run.outputs['live-version']).toBe(version);
    expect(await answering()).toBe(version);
    return run;
  }

  async function answering(): Promise<string | null> {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    return response.headers.get('x-version');
  }

  test('prepare-host makes the host ready', async () => {
    const { outputs } = await passes('prepare-host', { ...deployment(), redis: 'none', 'min-free-disk': '1m' });
    expect(outputs['ready']).toBe('true');
  });

  test('build-image, register-container and switch-traffic bring the first version live', async () => {
    await release('1');
    await goLive('1');
  });

  test('security-scan judges what was built', async () => {
    const scan = await passes('security-scan', {
      image: `${repository}:1`,
      scanners: 'policy',
      'fail-on': 'critical',
    });
    expect(scan.outputs['verdict']).toBe('pass');
    expect(existsSync(scan.outputs['sarif-file'] ?? '')).toBe(true);
  });

  test('perf-test judges how it serves', async () => {
    const load = await passes('perf-test', { 'target-url': target, rate: '50', duration: '1s', warmup: '0s' });
    expect(load.outputs['verdict']).toBe('pass');
    expect(existsSync(load.outputs['result-file'] ?? '')).toBe(true);
  });

  test('verify finds the expected version on the public path', async () => {
    const { outputs } = await passes('verify', {
      ...deployment(),
      url: `http://127.0.0.1:${port}`,
      'expect-version': '1',
      checks: 'GET /health 200\nGET /api/items 200 json:$.items.length>0',
    });
    expect(outputs).toMatchObject({ verdict: 'pass', failed: '0' });
  });

  test('render-nginx shows what a second version would change, and changes nothing', async () => {
    await release('2');
    const { outputs } = await passes('render-nginx', { ...deployment(), version: '2', listen: String(port) });
    expect(outputs).toMatchObject({ changed: 'true', valid: 'true' });
    expect(await answering()).toBe('1');
  });

  test('rollback returns from the second version to the verified first', async () => {
    await goLive('2');
    const { outputs, state } = await passes('rollback', { ...deployment(), 'drain-timeout': '1s' });
    expect(outputs).toMatchObject({ 'live-version': '1', 'from-version': '2' });
    expect(await answering()).toBe('1');
    const post = await runAction('rollback', deployment(), { state });
    expect(post.code, post.stdout).toBe(0);
  });

  test('report has nobody to tell without a token, and says so', async () => {
    const { stdout } = await passes('report', { app, event: 'finished', verdict: 'pass', version: '1' });
    expect(stdout).toMatch(/^::warning::No `github-token` was given/m);
  });

  test('every action ran', () => {
    expect([...ran].sort()).toEqual(actionNames());
  });
});
