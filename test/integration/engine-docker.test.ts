import { randomBytes } from 'node:crypto';
import { deploymentId } from '@cd-actions/shared/domain/names';
import type { Instance, InstanceSpec, Release } from '@cd-actions/shared/domain/release';
import { type Connection, connect } from '@cd-actions/shared/engine/connect';
import { dockerEngine } from '@cd-actions/shared/engine/docker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realClock } from '../support/clock.ts';
import { parts } from '../support/parts.ts';

const unique = randomBytes(3).toString('hex');
const NETWORK = `cd-actions-test-${unique}`;
const EXTRA = `${NETWORK}-extra`;
const ID = deploymentId(`t${unique}`, 'production');
const IMAGE = parts.images?.node ?? '';

function release(command: readonly string[], change: Partial<InstanceSpec> = {}): Release {
  const health = { path: '/', port: 8080, status: [[200, 299]] as const, timeout: 1000, interval: 100, stable: 0 };
  return {
    version: 'V1.0_rc',
    image: IMAGE,
    imageId: IMAGE,
    digest: '',
    order: 1,
    state: 'candidate',
    verifiedAt: '',
    registeredAt: '',
    spec: {
      image: IMAGE,
      port: 8080,
      replicas: 1,
      env: {},
      secretEnv: [],
      command,
      volumes: [],
      networks: [],
      memory: 0,
      cpus: 0,
      labels: {},
      logDriver: '',
      logOptions: {},
      stopTimeout: 1000,
      health,
      ...change,
    },
    instances: [],
    run: { actor: '', url: '', sha: '', id: '' },
  };
}

const serve = ['node', '-e', 'require("http").createServer((q, s) => s.end(process.env.TOKEN ?? "")).listen(8080)'];

describe.skipIf(!parts.docker || !parts.images)('instances on a real engine', () => {
  let connection: Connection;
  const engineOf = (addressing: 'network' | 'published') =>
    dockerEngine({ host: null, docker: connection.docker, network: NETWORK, addressing, clock: realClock });
  const inspect = (instance: Instance) => connection.docker.getContainer(instance.id).inspect();

  /** Once it is not started again by its restart policy. */
  /** Docker starts a crashed container again and again: how it ended shows between two starts. */
  const ended = async (engine: ReturnType<typeof engineOf>, instance: Instance) => {
    for (;;) {
      const diagnosis = await engine.diagnose(instance);
      if (diagnosis.exitCode !== null) return diagnosis;
      await realClock.sleep(20);
    }
  };

  beforeAll(async () => {
    connection = await connect(null);
    await connection.docker.createNetwork({ Name: EXTRA });
  });
  afterAll(async () => {
    const { docker } = connection;
    const left = await docker.listContainers({ all: true, filters: { network: [NETWORK] } });
    await Promise.all(left.map((each) => docker.getContainer(each.Id).remove({ force: true, v: true })));
    for (const name of [NETWORK, EXTRA]) await docker.getNetwork(name).remove();
    connection.close();
  });

  it('gives a secret to the container alone: no label holds it', async () => {
    const instance = await engineOf('network').start(ID, release(serve, { secretEnv: ['TOKEN'] }), 0, {
      TOKEN: 's3cret-value',
    });
    const info = await inspect(instance);
    expect(info.Config.Env).toContain('TOKEN=s3cret-value');
    expect(JSON.stringify(info.Config.Labels)).not.toContain('s3cret-value');
    expect(info.HostConfig.RestartPolicy?.Name).toBe('unless-stopped');
    expect(info.HostConfig.LogConfig).toEqual({ Type: 'json-file', Config: { 'max-file': '3', 'max-size': '10m' } });
  });

  it('answers at the published port, also after it was started again', async () => {
    const engine = engineOf('published');
    const instance = await engine.start(ID, release(serve, { secretEnv: ['TOKEN'] }), 0, { TOKEN: 'x' });
    expect(instance.address).toBe('127.0.0.1');
    expect(await text(instance)).toBe('x');
    await engine.stop(instance, 0);
    expect(await text(await engine.restart(instance))).toBe('x');
    const found = await engine.find(ID);
    expect(found.some(({ instance: each }) => each.id === instance.id && each.address === '127.0.0.1')).toBe(true);
  });

  it('joins further networks', async () => {
    const instance = await engineOf('network').start(ID, release(serve, { networks: [EXTRA] }), 0, {});
    expect(Object.keys((await inspect(instance)).NetworkSettings.Networks).sort()).toEqual([NETWORK, EXTRA].sort());
  });

  it('removes a container that cannot join its network', async () => {
    const before = (await engineOf('network').find(ID)).length;
    await expect(engineOf('network').start(ID, release(serve, { networks: ['no-such-net'] }), 0, {})).rejects.toThrow(
      /no-such-net/,
    );
    expect(await engineOf('network').find(ID)).toHaveLength(before);
  });

  it('shows the last lines, the exit code and harmless workflow commands of a container that crashes', async () => {
    const crash = 'for (let i = 0; i < 80; i++) console.log("line", i); console.log("::error::boom"); process.exit(7)';
    const engine = engineOf('network');
    const instance = await engine.start(ID, release(['node', '-e', crash]), 0, {});
    const diagnosis = await ended(engine, instance);
    expect(diagnosis.exitCode).toBe(7);
    expect(diagnosis.logs.split('\n')).toHaveLength(50);
    expect(diagnosis.logs).toContain('> ::error::boom');
    expect(diagnosis.logs).toContain('line 79');
  });

  it('says that a container ran out of memory', async () => {
    const engine = engineOf('network');
    const hog = 'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1))';
    const instance = await engine.start(ID, release(['node', '-e', hog], { memory: 48 * 1024 * 1024 }), 0, {});
    expect(await ended(engine, instance)).toMatchObject({ outOfMemory: true, exitCode: 137 });
  });

  it('sweeps away what a killed run left of a one-off command, of this deployment alone', async () => {
    const leave = async (id: string): Promise<string> => {
      const labels = { 'cd-actions.managed': 'true', 'cd-actions.once': id };
      const left = await connection.docker.createContainer({ Image: IMAGE, Cmd: ['node', '-v'], Labels: labels });
      await left.start();
      await left.wait();
      return left.id;
    };
    const [mine, others] = [await leave(ID), await leave(`${ID}-2`)];
    await engineOf('network').sweep(ID);
    const inspect = (id: string): Promise<unknown> => connection.docker.getContainer(id).inspect();
    await expect(inspect(mine)).rejects.toThrow(/no such container/i);
    await expect(inspect(others)).resolves.toBeDefined();
    await connection.docker.getContainer(others).remove({ force: true });
  });
});

async function text(instance: Instance): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await (await fetch(`http://${instance.address}:${instance.port}/`)).text();
    } catch (error) {
      if (attempt > 40) throw error;
      await realClock.sleep(50);
    }
  }
}
