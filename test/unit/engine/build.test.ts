import type { BuildRequest } from '@cd-actions/shared/delivery/ports';
import { buildxArguments, usableVersion } from '@cd-actions/shared/engine/buildx';
import { cacheReference, classicOptions } from '@cd-actions/shared/engine/classic';
import { digestOf, parseReference } from '@cd-actions/shared/engine/images';
import { StepLog } from '@cd-actions/shared/engine/steps';
import { demultiplex, inert, jsonLines } from '@cd-actions/shared/engine/text';
import { describe, expect, it } from 'vitest';

const REQUEST: BuildRequest = {
  references: ['ghcr.io/acme/shop:1', 'ghcr.io/acme/shop:latest'],
  context: '/w/app',
  dockerfile: '/w/app/Dockerfile',
  target: 'final',
  buildArgs: { NODE: '24' },
  labels: { team: 'web' },
  secrets: { npmrc: 's3cret' },
  platforms: ['linux/arm64'],
  cacheFrom: ['type=gha'],
  cacheTo: ['type=gha,mode=max'],
  noCache: true,
  pull: true,
  push: true,
  sourceDate: 1_700_000_000,
};

describe('what Buildx is told', () => {
  it('is all of the request, without the values of secrets', () => {
    expect(buildxArguments(REQUEST, '/tmp/m.json').join(' ')).toBe(
      'buildx build --progress=rawjson --load --provenance=false --metadata-file /tmp/m.json --file /w/app/Dockerfile ' +
        '--tag ghcr.io/acme/shop:1 --tag ghcr.io/acme/shop:latest --build-arg NODE=24 --label team=web ' +
        '--secret id=npmrc,env=CD_ACTIONS_BUILD_SECRET_0 --target final --platform linux/arm64 ' +
        '--cache-from type=gha --cache-to type=gha,mode=max --no-cache --pull -- /w/app',
    );
  });

  it('goes to the registry at once with several platforms', () => {
    const platforms = ['linux/amd64', 'linux/arm64'];
    const told = buildxArguments({ ...REQUEST, platforms }, '/tmp/m.json');
    expect(told).toContain('--push');
    expect(told).not.toContain('--load');
    expect(told).toContain('linux/amd64,linux/arm64');
  });

  it('is told to a Buildx that can show its progress', () => {
    expect(usableVersion('github.com/docker/buildx v0.29.1 abcdef')).toBe('v0.29.1');
    expect(usableVersion('github.com/docker/buildx 0.12.1+deb 1')).toBeNull();
    expect(usableVersion('github.com/docker/buildx v1.0.0')).toBe('v1.0.0');
    expect(usableVersion('nonsense')).toBeNull();
  });
});

describe("what the engine's own builder is told", () => {
  it('is all that it knows of', () => {
    const request = { ...REQUEST, cacheFrom: ['acme/shop:cache', 'type=registry,ref=acme/shop:c2'] };
    const login = { username: 'u', password: 'p', serveraddress: 'ghcr.io' };
    expect(classicOptions(request, 'Dockerfile', [login])).toEqual({
      dockerfile: 'Dockerfile',
      t: REQUEST.references,
      buildargs: { NODE: '24' },
      labels: { team: 'web' },
      target: 'final',
      cachefrom: ['acme/shop:cache', 'acme/shop:c2'],
      nocache: true,
      pull: true,
      rm: true,
      forcerm: true,
      version: '1',
      registryconfig: { 'ghcr.io': { username: 'u', password: 'p' } },
    });
  });

  it('is no cache that takes BuildKit', () => {
    expect(() => cacheReference('type=gha')).toThrow(/cache-from/);
  });
});

describe('the log of a build', () => {
  function recorder() {
    const shown: string[] = [];
    const say = (message: string): void => void shown.push(message);
    const group = async <T>(title: string, work: () => Promise<T>): Promise<T> => {
      shown.push(`> ${title}`);
      const result = await work();
      shown.push('<');
      return result;
    };
    return { shown, log: { debug: say, info: say, warning: say, group } };
  }

  it('keeps steps apart that run side by side, and names the one that failed', async () => {
    const { shown, log } = recorder();
    const steps = new StepLog(log);
    steps.begin('a', '[1/2] one');
    steps.begin('b', '[2/2] two');
    steps.add('b', 'b1\n');
    steps.add('a', 'a');
    steps.add('a', '1\n::set-output::x\npart');
    steps.end('b', 'exit code: 1');
    steps.end('a');
    await steps.finish();
    expect(shown).toEqual([
      '> [1/2] one',
      'a1',
      '> ::set-output::x',
      'part',
      '<',
      '> [2/2] two',
      'b1',
      'Failed: exit code: 1',
      '<',
    ]);
    expect(steps.failed).toEqual({ title: '[2/2] two', error: 'exit code: 1', lines: ['b1'] });
  });
});

describe('text of foreign programs', () => {
  it('cannot command the runner', () => {
    expect(inert('  ::error::x')).toBe('> ::error::x');
    expect(inert('a ##[error]x')).toBe('a # #[error]x');
    expect(inert('a::b')).toBe('a::b');
  });

  it('is taken out of its frames, a cut one too', () => {
    const frame = (kind: number, text: string) => {
      const header = Buffer.alloc(8);
      header[0] = kind;
      header.writeUInt32BE(text.length, 4);
      return Buffer.concat([header, Buffer.from(text)]);
    };
    const log = Buffer.concat([frame(1, 'out\n'), frame(2, 'err\n'), frame(1, 'cut off').subarray(0, 11)]);
    expect(demultiplex(log, false)).toBe('out\nerr\ncut');
    expect(demultiplex(Buffer.from('plain'), true)).toBe('plain');
  });

  it('gives its JSON lines across chunks, and the rest apart', async () => {
    const bytes = Buffer.from('{"a":"é"}\nERROR: no\n[1]\n"x"\n{"b":2}');
    async function* chunks() {
      for (const byte of bytes) yield Buffer.from([byte]);
    }
    const other: string[] = [];
    const values: unknown[] = [];
    for await (const value of jsonLines(chunks(), (line) => other.push(line))) values.push(value);
    expect(values).toEqual([{ a: 'é' }, [1], { b: 2 }]);
    expect(other).toEqual(['ERROR: no', '"x"']);
  });

  it('reads texts that are indented over several lines, and what stands between them', async () => {
    async function* chunks(): AsyncGenerator<Buffer> {
      yield Buffer.from('{\n  "a": {\n    "b"');
      yield Buffer.from(': 1\n  }\n}\nERROR: no\n{\n  "c": 2\n}\n{\n  "cut');
    }
    const other: string[] = [];
    const values: unknown[] = [];
    for await (const value of jsonLines(chunks(), (line) => other.push(line))) values.push(value);
    expect(values).toEqual([{ a: { b: 1 } }, { c: 2 }]);
    expect(other).toEqual(['ERROR: no', '{', '  "cut']);
  });
});

describe('references', () => {
  it('come apart', () => {
    expect(parseReference('r:5000/a/b')).toEqual({ repository: 'r:5000/a/b', tag: 'latest', digest: '' });
    expect(parseReference('r:5000/a/b:1')).toEqual({ repository: 'r:5000/a/b', tag: '1', digest: '' });
    expect(parseReference('a@sha256:1')).toEqual({ repository: 'a', tag: '', digest: 'sha256:1' });
  });

  it("have the digest of their own repository, whoever else's the image bears", () => {
    const digests = ['nginx@sha256:1', 'ghcr.io/acme/nginx@sha256:2'];
    expect(digestOf(digests, 'docker.io/library/nginx:1')).toBe('sha256:1');
    expect(digestOf(digests, 'ghcr.io/acme/nginx:1')).toBe('sha256:2');
    expect(digestOf(digests, 'other')).toBe('');
    expect(digestOf(digests, `sha256:${'0'.repeat(64)}`)).toBe('');
    expect(digestOf(digests.slice(1), `sha256:${'0'.repeat(64)}`)).toBe('sha256:2');
  });
});
