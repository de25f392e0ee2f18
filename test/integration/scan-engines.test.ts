import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeWhere } from '@cd-actions/shared/gates/scan/finding';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ToolBox } from '../fixtures/scan/bin.ts';
import { LIBRARY_ADVISORY, PLANTED, plantGrypeDatabase, plantTrivyDatabase } from '../fixtures/scan/databases.ts';
import { TestImages } from '../fixtures/scan/images.ts';
import { DOCKERFILE, FILES, KEY, MENDED, NEWER, TOKEN } from '../fixtures/scan/planted.ts';
import { scan } from '../fixtures/scan/run.ts';
import { parts } from '../support/parts.ts';

const { docker, scanners } = parts;

describe.skipIf(!docker || !scanners.trivy || !scanners.grype)('real Trivy and Grype on a planted image', () => {
  const box = new ToolBox();
  let images: TestImages;
  let planted: string;
  let mended: string;
  let newer: string;
  const databases = { TRIVY_CACHE_DIR: box.path('trivy'), GRYPE_DB_CACHE_DIR: box.path('grype') };
  /** What a job may have set for its own use of the tools, and would hide findings from this gate. */
  const hiding = {
    TRIVY_SEVERITY: 'LOW',
    TRIVY_IGNORE_UNFIXED: 'true',
    TRIVY_SKIP_FILES: '**/*',
    GRYPE_EXCLUDE: '**',
    GRYPE_ONLY_NOTFIXED: 'true',
  };
  const world = { env: box.env({ ...databases, ...hiding }) };

  beforeAll(async () => {
    box.link('trivy', scanners.trivy ?? '');
    box.link('grype', scanners.grype ?? '');
    plantTrivyDatabase(box.path('trivy'), new Date());
    plantGrypeDatabase(box.path('grype'), new Date());
    images = await TestImages.on(docker?.socket ?? '');
    planted = await images.build(DOCKERFILE, FILES);
    mended = await images.build(DOCKERFILE, MENDED);
    newer = await images.build(DOCKERFILE, NEWER);
  });
  afterAll(async () => {
    await images?.close();
    box.close();
  });

  it('find what was planted, as one list in which both are named for what both found', async () => {
    const given = { scanners: 'policy, trivy, grype', offline: 'true' };
    const result = await scan(images, planted, given, world);
    const { decision, runs } = result.scan;
    expect(runs.map(({ engine, status, reason }) => [engine, status, reason])).toEqual([
      ['policy', 'ran', ''],
      ['trivy', 'ran', ''],
      ['grype', 'ran', ''],
    ]);
    const found = decision.findings.map(({ id, severity, where, engines }) => {
      return `${severity} ${id} ${describeWhere(where)} [${engines.join('+')}]`;
    });
    expect(found).toEqual(
      expect.arrayContaining([
        `critical ${PLANTED.fixed} openssl 1.1.0l-1~deb9u1 [grype+trivy]`,
        `low ${PLANTED.unfixed} openssl 1.1.0l-1~deb9u1 [trivy]`,
        `high ${PLANTED.library} lodash 4.17.4 (/srv/node_modules/lodash/package.json) [grype+trivy]`,
        'high trivy-secret-private-key /root/.ssh/id_rsa:1 (layer 5) [trivy]',
        'critical trivy-secret-github-pat /srv/settings.py:1 (layer 7) [trivy]',
        'high OS-END-OF-LIFE image Distribution [trivy]',
        'high DS002 image Dockerfile [trivy]',
        'medium CD001 image User [policy]',
      ]),
    );
    // Every image of the classic builder would have it, by the way in which its history is written.
    expect(found.join()).not.toContain('DS011');
    const library = decision.findings.find(({ id }) => id === PLANTED.library);
    expect(library).toMatchObject({ aliases: [LIBRARY_ADVISORY], fixedVersion: '4.17.21', score: 8 });
    expect(decision.verdict).toBe('fail');
    for (const text of Object.values(result.written)) {
      for (const secret of [TOKEN, KEY.split('\n')[1] ?? KEY]) expect(text).not.toContain(secret);
    }
    const sbom = JSON.parse(result.written['sbom.cdx.json'] ?? '');
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX' });
    const components = sbom.components.map((each: { name: string; version: string }) => `${each.name} ${each.version}`);
    expect(components).toEqual(expect.arrayContaining(['lodash 4.17.4']));
    expect(JSON.parse(result.written['security-scan.json'] ?? '').sbom).toEqual({
      file: '/tmp/sbom.cdx.json',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  }, 180_000);

  it('find nothing in packages that are not affected', async () => {
    const { scan: result } = await scan(images, mended, { scanners: 'grype', offline: 'true' }, world);
    expect(result.runs).toMatchObject([{ engine: 'grype', version: '0.110.0', status: 'ran' }]);
    expect(result.runs[0]?.facts['database']).toMatch(/^\d{4}-/);
    expect(result.decision).toMatchObject({ verdict: 'pass', findings: [] });
  });

  it('say that a release of which they have no advisories was not checked: nothing found there is no pass', async () => {
    const given = { scanners: 'trivy,grype', offline: 'true', 'fail-on': 'none' };
    const { scan: result, message } = await scan(images, newer, given, world);
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('trivy did a part of its work only: vulnerabilities of the packages of debian');
    expect(message).toContain('grype did a part of its work only: vulnerabilities of the packages of debian@99');
    expect(result.decision.findings.map(({ id }) => id)).not.toContain('OS-END-OF-LIFE');
  }, 180_000);

  describe('without a database', () => {
    const bare = { env: box.env({ TRIVY_CACHE_DIR: box.path('no-trivy'), GRYPE_DB_CACHE_DIR: box.path('no-grype') }) };

    it('Trivy still looks for what needs none, and that is no pass of a Trivy that was asked for', async () => {
      const given = { scanners: 'trivy', offline: 'true', 'fail-on': 'none' };
      const { scan: result, message, written } = await scan(images, mended, given, bare);
      const found = result.decision.findings.map(({ id }) => id);
      expect(found).toEqual(expect.arrayContaining(['trivy-secret-private-key', 'DS002']));
      expect(result.decision.verdict).toBe('inconclusive');
      expect(message).toContain('trivy did a part of its work only: known vulnerabilities, because there is no');
      const { engines } = JSON.parse(written['security-scan.json'] ?? '');
      expect(engines).toMatchObject([
        { status: 'ran', notChecked: [expect.stringContaining('known vulnerabilities')] },
      ]);
    }, 180_000);

    it('Grype cannot begin, and that is no pass of a Grype that was asked for', async () => {
      const given = { scanners: 'grype', offline: 'true', 'fail-on': 'none' };
      const { scan: result, message } = await scan(images, mended, given, bare);
      expect(result.decision.verdict).toBe('inconclusive');
      expect(message).toContain('grype could not do its work: it has no usable vulnerability database here');
    });
  });

  it('Grype does not use a database that somebody has changed', async () => {
    plantGrypeDatabase(box.path('changed'), new Date());
    appendFileSync(join(box.path('changed'), '6/vulnerability.db'), 'changed');
    const env = box.env({ GRYPE_DB_CACHE_DIR: box.path('changed') });
    const { scan: result, message } = await scan(images, mended, { scanners: 'grype', offline: 'true' }, { env });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('bad db checksum');
  });
});
