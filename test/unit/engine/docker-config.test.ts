import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configAuth, readDockerConfig, registryOf, withLogin } from '@cd-actions/shared/engine/docker-config';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let directory = '';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'cd-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function lookup(config: object) {
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  const env = { DOCKER_CONFIG: directory, PATH: `${join(directory, 'bin')}:${process.env['PATH']}` };
  return configAuth(readDockerConfig(env), env);
}

function helper(name: string, script: string): void {
  mkdirSync(join(directory, 'bin'), { recursive: true });
  writeFileSync(join(directory, 'bin', `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, 'bin', `docker-credential-${name}`), 0o755);
}

describe('credentials of the Docker config', () => {
  it('are found by host, however the key was written', async () => {
    const auth = lookup({
      auths: {
        'https://index.docker.io/v1/': { auth: base64('ann:p:w') },
        'https://ghcr.io': { auth: base64('bob:token') },
        'r.example:5000': { identitytoken: 'idt' },
      },
    });
    expect(await auth('docker.io')).toMatchObject({ username: 'ann', password: 'p:w' });
    expect(await auth('ghcr.io')).toEqual({ username: 'bob', password: 'token', serveraddress: 'ghcr.io' });
    expect(await auth('r.example:5000')).toMatchObject({ identitytoken: 'idt' });
    expect(await auth('r.example')).toBeNull();
  });

  it('come from the credential helper of the host, or the store', async () => {
    helper('one', 'read server; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"for $server\\"}"');
    helper('empty', 'echo "credentials not found in native keychain"; exit 1');
    const auth = lookup({ credHelpers: { 'a.example': 'one' }, credsStore: 'empty', auths: { 'b.example': {} } });
    expect(await auth('a.example')).toEqual({ username: 'u', password: 'for a.example', serveraddress: 'a.example' });
    expect(await auth('b.example')).toBeNull();
  });

  it('are an error when the helper cannot be had or breaks, without showing what it printed', async () => {
    await expect(lookup({ credsStore: 'absent' })('a.example')).rejects.toThrow(/docker-credential-absent/);
    helper('broken', 'echo s3cret; exit 3');
    const broken = lookup({ credsStore: 'broken' })('a.example');
    await expect(broken).rejects.toThrow(/exit code 3/);
    await expect(broken).rejects.not.toThrow(/s3cret/);
    await expect(lookup({ credsStore: '../../bin/evil' })('a.example')).rejects.toThrow(/Correct|credential helper/);
  });

  it('are refused, not shown, when the file is no JSON', () => {
    writeFileSync(join(directory, 'config.json'), '{"auths": s3cret');
    const read = () => readDockerConfig({ DOCKER_CONFIG: directory });
    expect(read).toThrow(/is not JSON/);
    expect(read).not.toThrow(/s3cret/);
  });

  it('give way to a login for the same registry only', async () => {
    const login = { username: 'me', password: 'x', serveraddress: 'https://index.docker.io/v1/' };
    const auth = withLogin(login, async () => null);
    expect(await auth('docker.io')).toBe(login);
    expect(await auth('ghcr.io')).toBeNull();
  });
});

it('tells the registry of a reference', () => {
  expect(
    ['nginx', 'acme/shop:1', 'ghcr.io/acme/shop', 'localhost/x', 'r:5000/x@sha256:0', 'index.docker.io/a/b'].map(
      registryOf,
    ),
  ).toEqual(['docker.io', 'docker.io', 'ghcr.io', 'localhost', 'r:5000', 'docker.io']);
});
