import { deploymentId } from '@cd-actions/shared/domain/names';
import type { Release } from '@cd-actions/shared/domain/release';
import {
  containerName,
  instanceOptions,
  onceOptions,
  readDeploymentLabel,
  readReleaseLabel,
} from '@cd-actions/shared/engine/container';
import { describe, expect, it } from 'vitest';

const ID = deploymentId('shop', 'production');
const RELEASE: Release = {
  version: '1.2.0',
  image: 'ghcr.io/acme/shop:1.2.0',
  imageId: `sha256:${'a'.repeat(64)}`,
  digest: '',
  order: 1,
  state: 'candidate',
  verifiedAt: '',
  registeredAt: '2030-01-01T00:00:00Z',
  spec: {
    image: 'ghcr.io/acme/shop:1.2.0',
    port: 3000,
    replicas: 2,
    env: { MODE: 'live' },
    secretEnv: ['TOKEN'],
    command: ['serve'],
    volumes: ['/data:/data:ro'],
    networks: ['backend'],
    memory: 268_435_456,
    cpus: 1.5,
    labels: { team: 'web', 'cd-actions.deployment': 'other@production' },
    logDriver: '',
    logOptions: {},
    stopTimeout: 1500,
    health: { path: '/health', port: 3000, status: [[200, 299]], timeout: 1000, interval: 100, stable: 0 },
  },
  instances: [{ id: 'x', name: 'x', host: 'local', address: '10.0.0.2', port: 3000 }],
  run: { actor: 'ann', url: 'a local run', sha: '', id: '1' },
};
const PLAN = {
  id: ID,
  release: RELEASE,
  index: 0,
  secrets: { TOKEN: 's3cret', OTHER: 'unused' },
  network: 'cd-actions',
  addressing: { kind: 'network' } as const,
};

describe('the description of an instance', () => {
  it('says all that makes the container, and nothing else', () => {
    expect(instanceOptions(PLAN)).toEqual({
      Image: RELEASE.imageId,
      Cmd: ['serve'],
      Env: ['MODE=live', 'TOKEN=s3cret'],
      NetworkingConfig: { EndpointsConfig: { 'cd-actions': {} } },
      Labels: {
        team: 'web',
        'org.opencontainers.image.version': '1.2.0',
        'cd-actions.managed': 'true',
        'cd-actions.deployment': 'shop@production',
        'cd-actions.version': '1.2.0',
        'cd-actions.release': JSON.stringify({ ...RELEASE, instances: [] }),
      },
      ExposedPorts: { '3000/tcp': {} },
      StopTimeout: 2,
      HostConfig: {
        NetworkMode: 'cd-actions',
        Init: true,
        Binds: ['/data:/data:ro'],
        Memory: 268_435_456,
        NanoCpus: 1_500_000_000,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
        RestartPolicy: { Name: 'unless-stopped' },
      },
    });
  });

  it('publishes the port where Nginx is not on the Docker network', () => {
    const options = instanceOptions({ ...PLAN, addressing: { kind: 'published', bind: '10.1.2.3' } });
    expect(options.HostConfig?.PortBindings).toEqual({ '3000/tcp': [{ HostIp: '10.1.2.3', HostPort: '' }] });
  });

  it('refuses a published instance whose health is on another port, a missing secret, a huge description', () => {
    const spec = { ...RELEASE.spec, health: { ...RELEASE.spec.health, port: 9000 } };
    const published = { kind: 'published', bind: '127.0.0.1' } as const;
    expect(() => instanceOptions({ ...PLAN, release: { ...RELEASE, spec }, addressing: published })).toThrow(/9000/);
    expect(() => instanceOptions({ ...PLAN, secrets: {} })).toThrow(/TOKEN/);
    const huge = { ...RELEASE, spec: { ...RELEASE.spec, env: { BIG: 'x'.repeat(300_000) } } };
    expect(() => instanceOptions({ ...PLAN, release: huge })).toThrow(/262144/);
  });

  it('keeps the log options that were chosen, and gives other drivers none', () => {
    const log = (logDriver: string, logOptions: Record<string, string>) =>
      instanceOptions({ ...PLAN, release: { ...RELEASE, spec: { ...RELEASE.spec, logDriver, logOptions } } }).HostConfig
        ?.LogConfig;
    expect(log('json-file', { 'max-size': '1m' })).toEqual({
      Type: 'json-file',
      Config: { 'max-size': '1m', 'max-file': '3' },
    });
    expect(log('journald', { tag: 'shop' })).toEqual({ Type: 'journald', Config: { tag: 'shop' } });
  });
});

it('describes a one-off command that is no instance of the deployment', () => {
  const options = onceOptions(ID, { ...RELEASE.spec, labels: {} }, ['migrate'], { TOKEN: 't' }, 'cd-actions');
  expect(options.Cmd).toEqual(['migrate']);
  expect(options.Labels).toEqual({ 'cd-actions.managed': 'true', 'cd-actions.once': 'shop@production' });
  expect(options.HostConfig?.RestartPolicy).toEqual({ Name: 'no' });
});

it("names containers within Docker's grammar, whatever the version", () => {
  expect(containerName(ID, 'V1.0_rc', 3, 'beef')).toBe('shop-production-V1.0_rc-3-beef');
  expect(containerName(ID, 'v'.repeat(128), 0, 'beef')).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,100}$/);
});

describe('labels', () => {
  it('give back the release that was written, and null for what is none', () => {
    const label = instanceOptions(PLAN).Labels?.['cd-actions.release'];
    expect(readReleaseLabel(label)).toEqual({ ...RELEASE, instances: [] });
    for (const text of [undefined, '', 'null', '[]', '{', '{"version":"1"}', '{"version":"1","imageId":"x","spec":{}}'])
      expect(readReleaseLabel(text)).toBeNull();
  });

  it('give back the deployment, and null for what is none', () => {
    expect(readDeploymentLabel('shop@production')).toBe('shop@production');
    for (const text of [undefined, '', 'shop', 'shop@', 'a@b@c', 'Shop@x', 'a@b\n'])
      expect(readDeploymentLabel(text)).toBeNull();
  });
});
