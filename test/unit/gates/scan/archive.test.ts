import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readImageArchive } from '@cd-actions/shared/gates/scan/archive/image-archive';
import { readTar } from '@cd-actions/shared/gates/scan/archive/tar';
import type { ImageContents } from '@cd-actions/shared/gates/scan/policy/contents';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerArchive, type ImageSpec, ociArchive, pieces, tar } from '../../../fixtures/scan/archive.ts';

async function namesIn(archive: Buffer): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of readTar(pieces(archive))) names.push(`${entry.type} ${entry.name} ${entry.size}`);
  return names;
}

describe('reading tar', () => {
  let directory: string;
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cd-actions-tar-'));
    mkdirSync(join(directory, dirname(long)), { recursive: true });
    writeFileSync(join(directory, long), 'long');
    writeFileSync(join(directory, 'grüße'), 'x'.repeat(1000));
    linkSync(join(directory, 'grüße'), join(directory, 'hard'));
    symlinkSync('grüße', join(directory, 'soft'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each(['gnu', 'pax', 'ustar'])('reads what tar writes in format %s: long names, links, sizes', async (format) => {
    const files = format === 'ustar' ? ['grüße', 'hard', 'soft'] : ['grüße', 'hard', 'soft', long];
    const archive = execFileSync('tar', ['-C', directory, `--format=${format}`, '-c', ...files]);
    expect(await namesIn(archive)).toEqual([
      'file grüße 1000',
      'hardlink hard 0',
      'symlink soft 0',
      ...(format === 'ustar' ? [] : [`file ${long} 4`]),
    ]);
  });

  it('gives a body in parts, and skips what is not read of it', async () => {
    const archive = tar([
      { path: 'a', content: 'first,second,third' },
      { path: 'b', content: 'next' },
    ]);
    const read: string[] = [];
    for await (const entry of readTar(pieces(archive, 100))) {
      read.push(String(await entry.read(6)), String(await entry.read(3)));
    }
    expect(read).toEqual(['first,', 'sec', 'next', '']);
  });

  it('refuses an archive that breaks off, is damaged, or announces a header of a gigabyte', async () => {
    const archive = tar([{ path: 'a', content: 'x'.repeat(2000) }]);
    await expect(namesIn(archive.subarray(0, 1500))).rejects.toThrow('too soon');
    const damaged = Buffer.from(archive);
    damaged[0] = 0x7a;
    await expect(namesIn(damaged)).rejects.toThrow('damaged');
    const huge = tar([{ path: 'x', content: '', flag: 'x' }]);
    huge.write('07777777777\0', 124, 'latin1');
    huge.fill(32, 148, 156);
    const sum = huge.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    huge.write(`${sum.toString(8).padStart(6, '0')}\0`, 148, 'latin1');
    await expect(namesIn(huge)).rejects.toThrow('extended header');
  });

  it('ends its source, so that no connection stays open behind it', async () => {
    let ended = false;
    async function* source() {
      try {
        yield* pieces(Buffer.concat([tar([{ path: 'a' }]), Buffer.alloc(100_000)]));
      } finally {
        ended = true;
      }
    }
    for await (const _ of readTar(source()));
    expect(ended).toBe(true);
  });
});

const IMAGE: ImageSpec = {
  config: { User: '10001', Env: ['A=b'], ExposedPorts: { '80/tcp': {} }, Healthcheck: { Test: ['CMD', 'true'] } },
  created: '2026-01-02T03:04:05Z',
  history: ['COPY a /a'],
  layers: [[{ path: 'etc/' }, { path: 'etc/a', content: 'one' }], [{ path: './etc/b', content: 'two' }]],
};

async function read(contents: ImageContents) {
  const files: Record<string, string> = {};
  for await (const entry of contents.entries) {
    if (entry.type === 'file') files[`${entry.layer} ${entry.path}`] = String(await entry.read(100));
  }
  const { layers, config } = contents.manifest();
  return { config, files: layers.map((layer) => Object.entries(files).filter(([key]) => key.startsWith(`${layer} `))) };
}

describe('reading an image', () => {
  const layouts: readonly (readonly [string, Buffer])[] = [
    ['docker save before 25', dockerArchive(IMAGE)],
    ['OCI', ociArchive(IMAGE)],
    ['OCI with gzip', ociArchive(IMAGE, gzipSync)],
    ['OCI with zstd', ociArchive(IMAGE, zstdCompressSync)],
  ];

  it.each(layouts)('%s: configuration and layers in their order', async (_, archive) => {
    const { config, files } = await read(readImageArchive(pieces(archive)));
    expect(files.map((layer) => layer.map(([key, text]) => [key.split(' ')[1], text]))).toEqual([
      [['etc/a', 'one']],
      [['etc/b', 'two']],
    ]);
    expect(config).toEqual({
      created: '2026-01-02T03:04:05Z',
      user: '10001',
      env: ['A=b'],
      entrypoint: [],
      command: [],
      exposedPorts: ['80/tcp'],
      healthcheck: ['CMD', 'true'],
      labels: {},
      history: [{ createdBy: 'COPY a /a', empty: false }],
    });
  });

  it('finds a layer that is stored as a link to an identical one', async () => {
    const layer = tar([{ path: 'a', content: 'same' }]);
    const archive = tar([
      { path: '1/layer.tar', flag: '2', link: '../2/layer.tar' },
      { path: '2/layer.tar', content: layer },
      { path: 'c.json', content: '{"config":{}}' },
      { path: 'manifest.json', content: '[{"Config":"c.json","Layers":["2/layer.tar","1/layer.tar"]}]' },
    ]);
    expect((await read(readImageArchive(pieces(archive)))).files).toHaveLength(2);
  });

  it.each<[string, Buffer]>([
    ['lacks the layer', tar([{ path: 'manifest.json', content: '[{"Config":"c","Layers":["1/layer.tar"]}]' }])],
    ['describes no image', tar([{ path: 'a', content: 'b' }])],
    ['holds 2 images', tar([{ path: 'manifest.json', content: '[{},{}]' }])],
    ['is not JSON', tar([{ path: 'manifest.json', content: '[{"Config' }])],
    ['too soon', dockerArchive(IMAGE).subarray(0, 2048)],
    ['unexpected end of file', ociArchive(IMAGE, (layer) => gzipSync(layer).subarray(0, 40))],
  ])('refuses what is no whole image: %s', async (message, archive) => {
    await expect(read(readImageArchive(pieces(archive)))).rejects.toThrow(message);
  });
});
