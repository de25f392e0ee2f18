import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ToolBox } from '../fixtures/scan/bin.ts';
import { LIBRARY_ADVISORY, PLANTED, plantGrypeDatabase } from '../fixtures/scan/databases.ts';
import { TestImages } from '../fixtures/scan/images.ts';
import { DOCKERFILE, FILES } from '../fixtures/scan/planted.ts';
import { CACHE_PREFIX, scan } from '../fixtures/scan/run.ts';
import { parts } from '../support/parts.ts';

const { docker, images: partImages, scanners } = parts;

describe.skipIf(!docker || !partImages || !scanners.grype)('scanners as container images on the Docker host', () => {
  const box = new ToolBox();
  const nowhere = { env: { PATH: '/usr/bin:/bin' } };
  let images: TestImages;
  let server: Server;

  beforeAll(async () => {
    images = await TestImages.on(docker?.socket ?? '');
    server = createServer((_, response) => response.end('<html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server?.close();
    for (const tool of ['grype', 'zap'])
      await images?.docker
        .getVolume(`${CACHE_PREFIX}-${tool}`)
        .remove()
        .catch(() => undefined);
    await images?.close();
    box.close();
  });
  const left = async (): Promise<readonly string[]> => {
    const filters = { label: ['cd-actions.scan=tool'] };
    const { Volumes } = await images.docker.listVolumes({ filters });
    const containers = await images.docker.listContainers({ all: true, filters });
    return [...containers.map(({ Id }) => Id), ...(Volumes ?? []).map(({ Name }) => Name)];
  };

  it('a real Grype finds what is planted, and leaves nothing behind but its database', async () => {
    plantGrypeDatabase(box.path('db'), new Date());
    const database = (name: string) => ({ path: name, content: readFileSync(join(box.path('db'), '6', name)) });
    // What an image has at the place of a volume is what a new volume begins with.
    const tool = await images.build(
      'FROM scratch\nCOPY grype /grype\nCOPY vulnerability.db import.json /cd-scan-cache/6/\nCOPY keep /tmp/\nENTRYPOINT ["/grype"]',
      [
        { path: 'grype', mode: 0o755, content: await readFile(scanners.grype ?? '') },
        database('vulnerability.db'),
        database('import.json'),
        { path: 'keep' },
      ],
    );
    const planted = await images.build(DOCKERFILE, FILES);
    const given = { scanners: 'grype', offline: 'true', 'grype-image': tool };
    const { scan: result } = await scan(images, planted, given, nowhere);
    expect(result.runs).toMatchObject([{ reason: '', status: 'ran', version: '0.110.0', facts: { ran: tool } }]);
    expect(result.decision.findings.map(({ id, aliases }) => [id, ...aliases])).toEqual([
      [PLANTED.fixed],
      [PLANTED.library, LIBRARY_ADVISORY],
    ]);
    expect(result.sbom).not.toBeNull();
    expect(await left()).toEqual([]);
  }, 180_000);

  /** A tool in an image that does not run as root, as ZAP's own. */
  const withScript = (script: string): Promise<string> =>
    images.build(`FROM ${partImages?.node}\nCOPY zap.sh /usr/local/bin/zap.sh\nUSER 1000:1000`, [
      { path: 'zap.sh', mode: 0o755, content: `#!/bin/sh\n${script}\n` },
    ]);
  const address = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const zap = (tool: string, more: Record<string, string> = {}) => {
    const given = { image: '', 'target-url': `http://${address()}/`, scanners: 'zap', 'zap-image': tool, ...more };
    return scan(images, '', given, nowhere);
  };

  it('one that is no root writes its report, and reaches what listens on the loopback of its host', async () => {
    const report = readFileSync(join(import.meta.dirname, '../fixtures/scan/zap-report.json'), 'utf8');
    const reach = `node -e 'fetch("http://${address()}/").then(() => process.exit(0), () => process.exit(7))' || exit 7`;
    const tool = await withScript(`${reach}\ncat > zap.json <<'END'\n${report.replaceAll('TARGET', address())}\nEND`);
    const { scan: result } = await zap(tool);
    expect(result.runs).toMatchObject([{ reason: '', status: 'ran', version: '2.17.0' }]);
    expect(result.decision.counts).toMatchObject({ high: 1, medium: 1, info: 1 });
    expect(await left()).toEqual([]);
  }, 120_000);

  it('one that hangs is ended and removed, and is no pass', async () => {
    const { scan: result, message } = await zap(await withScript('sleep 3600'), { timeout: '8s', 'fail-on': 'none' });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('did not finish within 8 seconds');
    expect(await left()).toEqual([]);
  }, 120_000);

  it('one that fails says its last words', async () => {
    const { message } = await zap(await withScript('echo "Error: no such rule" >&2; exit 1'), { 'fail-on': 'none' });
    expect(message).toContain('zap failed; it ended with exit code 1: Error: no such rule');
  }, 120_000);
});
