import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CannotBegin } from '@cd-actions/shared/gates/scan/scanner';
import { type LocateOptions, locateTool } from '@cd-actions/shared/gates/scan/tools/locate';
import { afterAll, describe, expect, it } from 'vitest';

describe('a tool', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-locate-'));
  const program = join(directory, 'trivy');
  writeFileSync(program, '');
  chmodSync(program, 0o755);
  mkdirSync(join(directory, 'folder/trivy'), { recursive: true });
  writeFileSync(join(directory, 'folder/grype'), '');
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const fetched: boolean[] = [];
  const locate = (more: Partial<LocateOptions>) =>
    locateTool({
      tool: 'trivy',
      program: 'trivy',
      named: false,
      offline: false,
      image: 'trivy:1',
      temp: directory,
      path: '',
      env: {},
      hasImage: async (_, fetch) => {
        fetched.push(fetch);
        return true;
      },
      inContainer: async (image) => ({ origin: image, open: () => Promise.reject(new Error('unused')) }),
      ...more,
    });

  it('is the program on the PATH', async () => {
    expect((await locate({ path: `/none:${directory}` })).origin).toBe(program);
  });

  it.each([
    ['a folder of its name', { path: join(directory, 'folder') }],
    ['a file that cannot be run', { path: join(directory, 'folder'), program: 'grype' }],
    ['what lies in the working directory', { path: `.::${directory.slice(1)}` }],
  ])('is not %s', async (_, options) => {
    expect((await locate(options)).origin).toBe('trivy:1');
  });

  it.each([
    [{ named: true, offline: false }, true],
    [{ named: true, offline: true }, false],
    [{ named: false, offline: false }, false],
  ])(
    'has its image fetched only when it is asked for by name and the network may be used: %o',
    async (options, fetch) => {
      fetched.length = 0;
      await locate(options);
      expect(fetched).toEqual([fetch]);
    },
  );

  it('that is nowhere cannot begin, and one that was asked for says why Docker did not answer', async () => {
    const hasImage = () => Promise.reject(new Error('Docker does not answer'));
    await expect(locate({ hasImage: async () => false })).rejects.toThrow(CannotBegin);
    await expect(locate({ hasImage })).rejects.toThrow(CannotBegin);
    await expect(locate({ hasImage, named: true })).rejects.toThrow('Docker does not answer');
  });
});
