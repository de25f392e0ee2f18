import { randomBytes } from 'node:crypto';
import type { Engine } from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import { type DeploymentId, deploymentId } from '@cd-actions/shared/domain/names';
import type { InstanceSpec, Release } from '@cd-actions/shared/domain/release';
import { connect } from '@cd-actions/shared/engine/connect';
import { dockerEngine } from '@cd-actions/shared/engine/docker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realClock } from '../support/clock.ts';
import { FakeEngine } from '../support/fake-engine.ts';
import { parts } from '../support/parts.ts';

interface Subject {
  readonly engine: Engine;
  readonly image: string;
  /** A command of the image that ends by itself with this exit code, after printing `hello`. */
  readonly ends: (exitCode: number) => readonly string[];
  readonly hangs: readonly string[];
  cleanUp(): Promise<void>;
}

const unique = randomBytes(3).toString('hex');
const NETWORK = `cd-actions-test-${unique}`;
const app = (name: string): string => `t${unique}${name}`;

function specOf(image: string, change: Partial<InstanceSpec> = {}): InstanceSpec {
  return {
    image,
    port: 8080,
    replicas: 1,
    env: { GREETING: 'hello' },
    secretEnv: [],
    command: ['node', '-e', 'process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 1000)'],
    volumes: [],
    networks: [],
    memory: 0,
    cpus: 0,
    labels: {},
    logDriver: '',
    logOptions: {},
    stopTimeout: 1000,
    health: { path: '/health', port: 8080, status: [[200, 299]], timeout: 1000, interval: 100, stable: 0 },
    ...change,
  };
}

function releaseOf(image: string, imageId: string, change: Partial<InstanceSpec> = {}): Release {
  return {
    version: 'v1',
    image,
    imageId,
    digest: '',
    order: 1,
    state: 'candidate',
    verifiedAt: '',
    registeredAt: '2030-01-01T00:00:00Z',
    spec: specOf(image, change),
    instances: [],
    run: { actor: 'tester', url: 'a local run', sha: '', id: 'run-1' },
  };
}

const node = (code: string): readonly string[] => ['node', '-e', code];

async function realSubject(): Promise<Subject> {
  const connection = await connect(null);
  const { docker } = connection;
  const engine = dockerEngine({ host: null, docker, network: NETWORK, addressing: 'network', clock: realClock });
  return {
    engine,
    image: parts.images?.node ?? '',
    ends: (exitCode) => node(`console.log(process.env.GREETING); process.exit(${exitCode})`),
    hangs: node('setInterval(() => {}, 1000)'),
    async cleanUp() {
      const left = await docker.listContainers({ all: true, filters: { network: [NETWORK] } });
      await Promise.all(left.map((each) => docker.getContainer(each.Id).remove({ force: true, v: true })));
      await docker.getNetwork(NETWORK).remove();
      connection.close();
    },
  };
}

async function fakeSubject(): Promise<Subject> {
  const engine = new FakeEngine();
  engine.addImage('app:1');
  engine.once = (command, signal) =>
    command[0] === 'hang'
      ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      : Promise.resolve({ exitCode: Number(command[1]), output: 'hello' });
  return {
    engine,
    image: 'app:1',
    ends: (exitCode) => ['end', String(exitCode)],
    hangs: ['hang'],
    cleanUp: async () => undefined,
  };
}

const subjects: readonly (readonly [string, boolean, () => Promise<Subject>])[] = [
  ['the fake engine', false, fakeSubject],
  ['dockerd', !parts.docker || !parts.images, realSubject],
];

describe.each(subjects)('%s', (_name, skipped, create) => {
  describe.skipIf(skipped)('behaves as an Engine', () => {
    let subject: Subject;
    let imageId = '';
    const start = (
      id: DeploymentId,
      change: Partial<InstanceSpec> = {},
      secrets: Record<string, string> = {},
      index = 0,
    ) => subject.engine.start(id, releaseOf(subject.image, imageId, change), index, secrets);

    beforeAll(async () => {
      subject = await create();
      imageId = (await subject.engine.image(subject.image)).id;
    });
    afterAll(() => subject.cleanUp());

    it('says what an image is, by its name and by its id', async () => {
      expect(imageId).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect((await subject.engine.image(imageId)).id).toBe(imageId);
    });

    it('refuses an image that cannot be had', async () => {
      await expect(subject.engine.image(`127.0.0.1:1/nothing/${unique}:1`)).rejects.toBeInstanceOf(UserError);
    });

    it('finds what it started, with the release, and only in that deployment', async () => {
      const ids = [
        deploymentId(app('a'), 'production'),
        deploymentId(app('a'), 'staging'),
        deploymentId(app('a-b'), 'production'),
        deploymentId(app('a'), 'production-b'),
      ];
      for (const id of ids) await start(id);
      for (const id of ids) {
        const found = await subject.engine.find(id);
        expect(found).toHaveLength(1);
        expect(found[0]).toMatchObject({ id, version: 'v1', running: true });
        expect(found[0]?.release).toEqual(releaseOf(subject.image, imageId));
        expect(found[0]?.instance.name.startsWith(id.replace('@', '-'))).toBe(true);
        expect(found[0]?.instance.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
        expect(found[0]?.instance.port).toBe(8080);
      }
    });

    it('stops, starts again and removes, and does not mind what is done already', async () => {
      const id = deploymentId(app('life'), 'production');
      const instance = await start(id);
      await subject.engine.stop(instance, 1000);
      await subject.engine.stop(instance, 1000);
      expect(await subject.engine.find(id)).toMatchObject([
        { running: false, instance: { id: instance.id, address: '' } },
      ]);
      const again = await subject.engine.restart(instance);
      expect(again).toMatchObject({ id: instance.id, name: instance.name, port: 8080 });
      expect(again.address).not.toBe('');
      expect(await subject.engine.find(id)).toMatchObject([{ running: true }]);
      await subject.engine.remove(again, 1000);
      await subject.engine.remove(again, 1000);
      await subject.engine.stop(again, 1000);
      expect(await subject.engine.find(id)).toEqual([]);
      await expect(subject.engine.restart(again)).rejects.toBeInstanceOf(UserError);
      expect(await subject.engine.diagnose(again)).toMatchObject({ state: 'removed', exitCode: null });
    });

    it('refuses to start without the value of a secret', async () => {
      const id = deploymentId(app('secret'), 'production');
      await expect(start(id, { secretEnv: ['TOKEN'] })).rejects.toThrow(/TOKEN/);
      expect(await subject.engine.find(id)).toEqual([]);
    });

    it('leaves nothing behind when a start fails', async () => {
      const id = deploymentId(app('gone'), 'production');
      const release = releaseOf(subject.image, `sha256:${'0'.repeat(64)}`);
      await expect(subject.engine.start(id, release, 0, {})).rejects.toBeInstanceOf(UserError);
      expect(await subject.engine.find(id)).toEqual([]);
    });

    it('runs a command once and tells its exit code and output', async () => {
      const id = deploymentId(app('once'), 'production');
      const result = await subject.engine.runOnce(
        id,
        specOf(subject.image),
        subject.ends(3),
        {},
        new AbortController().signal,
      );
      expect(result).toEqual({ exitCode: 3, output: 'hello' });
      expect(await subject.engine.find(id)).toEqual([]);
    });

    it('ends a command that is aborted, with the reason', async () => {
      const id = deploymentId(app('abort'), 'production');
      const cancel = new AbortController();
      const running = subject.engine.runOnce(id, specOf(subject.image), subject.hangs, {}, cancel.signal);
      setTimeout(() => cancel.abort(new Error('cancelled by the test')), 300);
      await expect(running).rejects.toThrow('cancelled by the test');
    });
  });
});
