import { Refused } from '@cd-actions/shared/domain/grammar';
import {
  absolutePath,
  appName,
  deploymentId,
  hostUrl,
  imageReference,
  poolName,
  repositoryName,
  versionName,
} from '@cd-actions/shared/domain/names';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const SHA = 'e'.repeat(64);

const takes = (grammar: { parse(raw: string): string }, raw: string): boolean => {
  try {
    return grammar.parse(raw) === raw;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
};

describe('imageReference', () => {
  it.each([
    'nginx',
    'nginx:1.30.0',
    'library/nginx:latest',
    'ghcr.io/acme/shop:3f2a9c1',
    'quay.io/prometheus/node-exporter:v1.8.2',
    'mcr.microsoft.com/dotnet/aspnet:8.0-alpine',
    'public.ecr.aws/docker/library/redis:7',
    '123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop:1.0',
    'europe-west3-docker.pkg.dev/my-project/my_repo/my-image:1.0',
    'localhost/shop',
    'localhost:5000/shop:a',
    '10.0.0.7:5000/team/shop',
    'registry.example.org:443/a/b/c/d:1',
    `nginx@sha256:${SHA}`,
    `ghcr.io/acme/shop:1.4.2@sha256:${SHA}`,
    `sha256:${SHA}`,
    'a__b/c--d/e.f:_1',
  ])('takes %s', (raw) => expect(takes(imageReference, raw)).toBe(true));

  it.each([
    '',
    'Shop',
    'ghcr.io/Acme/shop',
    'shop:',
    'shop:.1',
    'shop:-1',
    `shop:${'1'.repeat(129)}`,
    'shop@sha256:abc',
    `shop@sha256:${SHA.toUpperCase()}`,
    `shop@md5:${SHA}`,
    `sha256:${SHA.slice(1)}`,
    'shop:1:2',
    '/shop',
    'shop/',
    'a//b',
    'a..b',
    'a___b',
    '_a',
    'https://ghcr.io/shop',
    'shop latest',
    'shop\n',
    'shоp', // Cyrillic о
    'registry:123456/shop',
    '-v',
    `a${'/a'.repeat(300)}`,
  ])('refuses %j', (raw) => expect(takes(imageReference, raw)).toBe(false));

  it('decides on the worst of strings without delay', () => {
    const started = performance.now();
    for (const worst of ['a-'.repeat(255), `${'a.'.repeat(255)}!`, `${'a'.repeat(511)}!`, `${'a/'.repeat(255)}!`])
      expect(takes(imageReference, worst)).toBe(false);
    expect(performance.now() - started).toBeLessThan(200);
  });
});

describe('repositoryName', () => {
  it('is an image without tag and digest', () => {
    expect(takes(repositoryName, 'ghcr.io/acme/shop')).toBe(true);
    expect(takes(repositoryName, 'localhost:5000/shop')).toBe(true);
    for (const raw of ['shop:1', `shop@sha256:${SHA}`, 'Acme/Shop']) expect(takes(repositoryName, raw)).toBe(false);
  });
});

describe('appName and versionName', () => {
  it('are the grammars that the contract states', () => {
    for (const good of ['a', '0', 'shop', 'shop-2', 'a'.repeat(40)]) expect(takes(appName, good)).toBe(true);
    for (const bad of ['', '-a', 'a-', 'A', 'a_b', 'a.b', 'a'.repeat(41), 'a@b', 'a{b}', 'а'])
      expect(takes(appName, bad)).toBe(false);
    for (const good of ['1.4.2', '3f2a9c1', 'v1.0.0-rc.1', '_', 'V2']) expect(takes(versionName, good)).toBe(true);
    for (const bad of ['', '.1', '-1', '1+b', 'a/b', '1 ', 'ｖ1', 'v'.repeat(129)])
      expect(takes(versionName, bad)).toBe(false);
  });
});

describe('hostUrl', () => {
  it.each([
    'unix:///var/run/docker.sock',
    'tcp://10.0.0.7:2376',
    'tcp://docker.example.org:2376',
    'tcp://[fd00::7]:2376',
    'ssh://deploy@shop-1.example.org',
    'ssh://deploy@10.0.0.7:2222',
    'ssh://shop-1',
  ])('takes %s', (raw) => expect(takes(hostUrl, raw)).toBe(true));

  it.each([
    '/var/run/docker.sock',
    'unix://var/run/docker.sock',
    'unix:///var/../etc/shadow',
    'tcp://10.0.0.7',
    'tcp://10.0.0.7:99999',
    'tcp://10.0.0.7:0',
    'http://10.0.0.7:2376',
    'ssh://',
    'ssh://deploy:secret@host',
    // What begins with a dash becomes an option of the ssh client (CVE-2017-1000117).
    'ssh://-oProxyCommand',
    'ssh://-l@host',
    'ssh://host/path',
    'ssh://host;id',
    'ssh://host:70000',
  ])('refuses %j', (raw) => expect(takes(hostUrl, raw)).toBe(false));
});

describe('absolutePath', () => {
  it('is plain, absolute and does not climb', () => {
    for (const good of ['/', '/etc/nginx/conf.d', '/srv/a..b/c.pem', '/a@b+c_d-e'])
      expect(takes(absolutePath, good)).toBe(true);
    for (const bad of [
      '',
      'etc',
      './a',
      '/a/../b',
      '/..',
      '/a b',
      '/a;b',
      '/a$b',
      '/a"b',
      '/a\n',
      '/ä',
      `/${'a'.repeat(1024)}`,
    ])
      expect(takes(absolutePath, bad)).toBe(false);
  });
});

describe('poolName', () => {
  it('gives every release of every deployment a name of its own, also where Nginx ignores case', () => {
    const app = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?$/);
    const version = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,6}$/);
    const release = fc.tuple(app, app, version);
    fc.assert(
      fc.property(release, release, (a, b) => {
        fc.pre(a.join('@') !== b.join('@'));
        const [one, two] = [a, b].map(([name, env, v]) => poolName(deploymentId(name, env), v).toLowerCase());
        expect(one).not.toBe(two);
      }),
    );
    expect(poolName('shop@production', 'V1')).not.toBe(poolName('shop@production', 'v1'));
  });

  it('holds nothing that Nginx could read as syntax', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/), (version) => {
        expect(poolName('shop@production', version)).toMatch(/^[a-z0-9._-]+$/);
      }),
    );
  });
});
