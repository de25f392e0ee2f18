import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, readInputs } from '@cd-actions/shared/action/inputs';
import { toOutputs } from '@cd-actions/shared/action/outputs';
import type { BuildRequest, ImageBuilder } from '@cd-actions/shared/delivery/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publicUrl } from '../../../actions/build-image/src/commit.ts';
import { check, inputs } from '../../../actions/build-image/src/inputs.ts';
import { type Commit, main } from '../../../actions/build-image/src/main.ts';
import { outputs, summary } from '../../../actions/build-image/src/outputs.ts';
import { buildPaths } from '../../../actions/build-image/src/paths.ts';
import { ManualClock } from '../../support/clock.ts';

const SHA = '0123456789abcdef0123456789abcdef01234567';
const COMMIT: Commit = { sha: SHA, time: 1_700_000_000, source: 'https://github.com/acme/shop' };
const DIGEST = `sha256:${'d'.repeat(64)}`;

const read = (given: Record<string, string>) => readInputs(inputs, (name) => given[name] ?? '', check);

function problems(given: Record<string, string>): readonly string[] {
  try {
    read({ image: 'acme/shop', ...given });
    return [];
  } catch (error) {
    if (error instanceof InputError) return error.problems.map((each) => each.message);
    throw error;
  }
}

async function story(given: Record<string, string>, commit: Commit = COMMIT, digest = '') {
  const requests: BuildRequest[] = [];
  const builder: ImageBuilder = {
    description: 'a test',
    async build(request) {
      requests.push(request);
      return { builder: 'engine', imageId: 'sha256:1', digest, size: 12_345_678 };
    },
  };
  const silent = () => undefined;
  const result = await main(read({ image: 'ghcr.io/acme/shop', ...given }), {
    commit: async () => commit,
    paths: async () => ({ context: '/w', dockerfile: '/w/Dockerfile' }),
    builder: async () => builder,
    clock: new ManualClock(),
    log: { debug: silent, info: silent, warning: silent, group: (_title, work) => work() },
    signal: new AbortController().signal,
  });
  return { result, request: requests[0] };
}

describe('building the image of a commit', () => {
  it('asks for all that the inputs say, labelled with where it comes from', async () => {
    const { request } = await story({
      tags: 'latest, ghcr.io/acme/other:2\n# none',
      labels: 'team=web\norg.opencontainers.image.source=https://own.example',
      'build-args': 'A=1\nB=x=y z',
      push: 'true',
    });
    expect(request).toEqual({
      references: ['ghcr.io/acme/shop:0123456', 'ghcr.io/acme/shop:latest', 'ghcr.io/acme/other:2'],
      context: '/w',
      dockerfile: '/w/Dockerfile',
      target: '',
      buildArgs: { A: '1', B: 'x=y z' },
      labels: {
        'org.opencontainers.image.created': '2023-11-14T22:13:20Z',
        'org.opencontainers.image.revision': SHA,
        'org.opencontainers.image.source': 'https://own.example',
        'org.opencontainers.image.version': '0123456',
        team: 'web',
      },
      secrets: {},
      platforms: [],
      cacheFrom: [],
      cacheTo: [],
      noCache: false,
      pull: false,
      push: true,
      sourceDate: 1_700_000_000,
    });
  });

  it('names the image by digest once pushed, else by tag', async () => {
    const pushed = await story({ version: '1.0', push: 'true' }, COMMIT, DIGEST);
    expect(toOutputs(outputs, pushed.result)).toMatchObject({
      image: `ghcr.io/acme/shop@${DIGEST}`,
      digest: DIGEST,
      version: '1.0',
      tags: 'ghcr.io/acme/shop:1.0',
      size: '12345678',
    });
    expect(JSON.parse(toOutputs(outputs, pushed.result)['metadata'] ?? '')).toEqual(pushed.result);
    const kept = await story({ version: '1.0' });
    expect(kept.result.image).toBe('ghcr.io/acme/shop:1.0');
    expect(summary(kept.result)).toContain('| Digest | not pushed |');
  });

  it('takes the time of the build where there is no commit, and refuses to guess a version', async () => {
    const none: Commit = { sha: '', time: null, source: '' };
    const { request } = await story({ version: '1.0' }, none);
    expect(request?.labels).toEqual({
      'org.opencontainers.image.created': '2030-01-01T00:00:00Z',
      'org.opencontainers.image.version': '1.0',
    });
    await expect(story({}, none)).rejects.toThrow(/`version` is not given/);
  });
});

describe('what is refused', () => {
  it.each([
    ['context', '../x'],
    ['context', 'a/../../x'],
    ['context', 'https://example.org/x.git'],
    ['context', 'git@example.org:x'],
    ['file', '..\\..\\x'],
    ['file', 'a\u0000b'],
    ['image', 'acme/shop:1'],
    ['image', 'Acme/Shop'],
    ['version', '-rf'],
    ['version', 'a/b'],
    ['target', '--push'],
    ['build-args', 'A'],
    ['build-args', 'A B=1'],
    ['build-args', 'A=1\nA=2'],
    ['labels', '=x'],
    ['tags', 'acme/shop'],
    ['tags', 'acme/shop:a b'],
    ['platforms', 'linux'],
    ['cache-from', '--no-cache'],
    ['cache-to', 'type=local dest=/'],
    ['builder', 'kaniko'],
    ['image', 'x'.repeat(1_000_000)],
  ])('%s: %j', (name, value) => {
    const found = problems({ [name]: value });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`Input \`${name}\``);
  });

  it('is what contradicts itself', () => {
    expect(problems({ 'registry-username': 'u' })).toEqual([expect.stringMatching(/both/)]);
    const engine = { builder: 'engine', secrets: 'a=b', platforms: 'linux/arm64', 'cache-to': 'type=inline' };
    expect(problems(engine)).toHaveLength(3);
    expect(problems({ platforms: 'linux/amd64,linux/arm64' })).toEqual([expect.stringMatching(/push: true/)]);
    expect(problems({ tests: 'structure.yaml' })).toEqual([expect.stringMatching(/not supported yet/)]);
  });

  it('never shows the value of a secret', () => {
    const found = problems({ secrets: 'no-equals-s3cret', 'registry-password': 'p\u0001w-s3cret' });
    expect(found).toHaveLength(2);
    expect(found.join()).not.toContain('s3cret');
    expect(inputs.secrets.masks('a=one\n# x\nb=two=2')).toEqual(['one', 'two=2']);
  });
});

describe('paths', () => {
  let root = '';
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'cd-paths-')));
    mkdirSync(join(root, 'w/app/docker'), { recursive: true });
    for (const name of ['outside', 'w/Dockerfile', 'w/app/docker/prod']) writeFileSync(join(root, name), '');
    symlinkSync('../outside', join(root, 'w/escape'));
    symlinkSync('app', join(root, 'w/alias'));
  });
  afterAll(() => rmSync(root, { recursive: true }));
  const find = (context: string, file: string) => buildPaths(join(root, 'w'), context, file);

  it('are looked for in the context, then in the workspace, symbolic links followed', async () => {
    const app = join(root, 'w/app');
    expect(await find('app', 'docker/prod')).toEqual({ context: app, dockerfile: join(app, 'docker/prod') });
    expect(await find('alias', 'app/docker/prod')).toEqual({ context: app, dockerfile: join(app, 'docker/prod') });
    expect(await find('app', 'Dockerfile')).toEqual({ context: app, dockerfile: join(root, 'w/Dockerfile') });
  });

  it('are refused outside the workspace, absent, or of the wrong kind', async () => {
    await expect(find('..', 'outside')).rejects.toThrow(/`context`.*outside the workspace/);
    await expect(find('/', 'x')).rejects.toThrow(/`context`.*outside the workspace/);
    await expect(find('.', 'escape')).rejects.toThrow(/`file`.*outside the workspace/);
    await expect(find('.', join(root, 'outside'))).rejects.toThrow(/`file`.*outside the workspace/);
    await expect(find('Dockerfile', 'x')).rejects.toThrow(/`context`.*not a directory/);
    await expect(find('none', 'x')).rejects.toThrow(/`context`.*not a directory/);
    await expect(find('.', 'none')).rejects.toThrow(/`file`: there is no "none"/);
    await expect(find('.', 'app')).rejects.toThrow(/`file`.*not a file/);
  });
});

it('shows where the source is without the credentials of the remote', () => {
  expect(publicUrl('https://user:token@example.org/a/b.git')).toBe('https://example.org/a/b');
  expect(publicUrl('git@github.com:acme/shop.git')).toBe('https://github.com/acme/shop');
  expect(publicUrl('ssh://git@github.com/acme/shop')).toBe('https://github.com/acme/shop');
  expect(publicUrl('/srv/git/shop')).toBe('');
  expect(publicUrl('')).toBe('');
});
