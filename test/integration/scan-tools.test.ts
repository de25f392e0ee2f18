import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describeWhere } from '@cd-actions/shared/gates/scan/finding';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summary } from '../../actions/security-scan/src/summary.ts';
import { ToolBox } from '../fixtures/scan/bin.ts';
import { TestImages } from '../fixtures/scan/images.ts';
import { scan } from '../fixtures/scan/run.ts';
import { parts } from '../support/parts.ts';

const CLEAN = 'FROM scratch\nCOPY server /server\nUSER 10001:10001\nHEALTHCHECK CMD ["/server"]\nCMD ["/server"]';
const EMPTY =
  '{"SchemaVersion":2,"ArtifactName":"x","ArtifactType":"container_image","Metadata":{"OS":{"Family":"alpine"}}}';

/** A Trivy in name only, which knows its version and for the rest does what the test says; `$out` is where its report belongs. */
const trivy = (body: string): string => `
case "$1" in version) echo '{"Version":"0.69.3","VulnerabilityDB":{"UpdatedAt":"2026-01-01T00:00:00Z"}}'; exit 0;; convert) exit 1;; esac
while [ "$1" != --output ]; do shift; done; out=$2
${body}`;

describe.skipIf(!parts.docker)('a scanner that misbehaves is no pass', () => {
  const box = new ToolBox();
  let images: TestImages;
  let image: string;
  const now = Date.parse('2026-01-02T00:00:00Z');

  beforeAll(async () => {
    images = await TestImages.on(parts.docker?.socket ?? '');
    image = await images.build(CLEAN, [{ path: 'server', mode: 0o755, content: 'ELF\0' }]);
  });
  afterAll(async () => {
    await images?.close();
    box.close();
  });
  const run = (body: string, given: Record<string, string> = {}) => {
    box.script('trivy', trivy(body));
    const inputs = { scanners: 'trivy', offline: 'true', ...given };
    return scan(images, image, inputs, { env: box.env(), now });
  };

  it('passes when it says that there is nothing: what is absent from a report is not an error', async () => {
    const { scan: result } = await run(`printf '%s' '${EMPTY}' > "$out"`);
    expect(result.decision).toMatchObject({ verdict: 'pass', findings: [] });
  });

  it.each<[string, string, string | RegExp]>([
    ['crashes', 'echo "panic: runtime error" >&2; exit 2', 'it ended with exit code 2: panic: runtime error'],
    ['is killed', 'kill -9 $$', 'it was ended by SIGKILL'],
    ['ends well without a report', 'exit 0', 'trivy wrote no report'],
    ['writes an empty report', ': > "$out"', 'trivy wrote no report'],
    ['breaks off in its report', `printf '%s' '${EMPTY.slice(0, -9)}' > "$out"`, 'is not whole JSON'],
    ['prints its report instead of writing it', `printf '%s' '${EMPTY}'`, 'trivy wrote no report'],
    ['writes the report of something else', 'echo "{}" > "$out"', 'another schema version than 2'],
    [
      'writes a list where findings belong in objects',
      `echo '{"SchemaVersion":2,"ArtifactType":"container_image","Results":[[]]}' > "$out"`,
      'something that is not an object',
    ],
    [
      'puts a text in the place of its findings',
      `echo '{"SchemaVersion":2,"ArtifactType":"container_image","Results":"none"}' > "$out"`,
      'Results is not a list',
    ],
    [
      'has no room on its disk',
      'echo "FATAL write /tmp/x: no space left on device" >&2; exit 1',
      'no space left on device',
    ],
    [
      'finds its disk full as it writes the report',
      'cat /dev/zero > /dev/full',
      /exit code 1: .*No space left on device/,
    ],
  ])('when it %s', async (_, body, reason) => {
    const { scan: result, message } = await run(body, { 'fail-on': 'none' });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toMatch(reason);
  });

  it('when it hangs: it is killed with all that it has started, and the report is written', async () => {
    const mark = `424242.${process.pid}`;
    const { scan: result, message, written } = await run(`sleep ${mark} & sleep ${mark}`, { timeout: '1s' });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('did not finish within 1 seconds');
    expect(Object.keys(written)).toContain('security-scan.json');
    // The kernel takes a moment to remove what was killed.
    const left = () => readProcesses().filter((command) => command.includes(mark));
    await expect.poll(left, { timeout: 5_000 }).toEqual([]);
  });

  it('when the image cannot be exported for want of space', async () => {
    const { scan: result, message } = await scan(
      images,
      image,
      { scanners: 'trivy' },
      { env: box.env(), now, full: true },
    );
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('the image cannot be exported');
  });

  it('when it is not there, though asked for by name; a clear word says what to install', async () => {
    const { scan: result, message } = await scan(
      images,
      image,
      { scanners: 'grype' },
      { env: { PATH: '/usr/bin:/bin' } },
    );
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toMatch(
      /there is no grype on the PATH and no image ghcr.io\/anchore\/grype:\S+ on the Docker host\. Install grype/,
    );
  });

  it('and is only a warning when nobody asked for it', async () => {
    const { scan: result, said } = await scan(images, image, {}, { env: { PATH: '/usr/bin:/bin' } });
    expect(result.decision.verdict).toBe('pass');
    expect(said.filter((line) => line.includes('did not run'))).toHaveLength(2);
  });

  it('endures output without end', async () => {
    const { scan: result } = await run(`head -c 100000000 /dev/zero | tr '\\0' x; printf '%s' '${EMPTY}' > "$out"`);
    expect(result.decision.verdict).toBe('pass');
  });

  it('reads a report of 100 MB within bounds of time, and keeps to the limits of what it writes', async () => {
    const path = box.path('huge.json');
    writeFileSync(path, hugeReport(100_000_000));
    const begun = performance.now();
    const { scan: result, written, ...rest } = await run(`cat ${path} > "$out"`);
    const seconds = (performance.now() - begun) / 1000;
    expect(result.decision.verdict).toBe('fail');
    expect(result.decision.findings.length).toBeGreaterThan(50_000);
    expect(JSON.parse(written['security-scan.sarif'] ?? '').runs[0].results).toHaveLength(5_000);
    expect(summary({ scan: result, ...rest }).length).toBeLessThan(1_000_000);
    console.log(`a report of 100 MB, ${result.decision.findings.length} findings: ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(60);
  }, 120_000);

  it('lets no text of a report break out of the summary', async () => {
    const hostile =
      '</td></table><script>alert(1)</script> | x | [a](javascript:alert(1)) ![i](http://evil.example/p) \u202e`';
    const report = {
      ...JSON.parse(EMPTY),
      Results: [
        {
          Target: hostile,
          Class: 'os-pkgs',
          Vulnerabilities: [
            {
              VulnerabilityID: hostile,
              PkgName: hostile,
              InstalledVersion: hostile,
              FixedVersion: hostile,
              Title: hostile,
              Description: hostile,
              Severity: 'CRITICAL',
              PrimaryURL: 'javascript:alert(1)',
              References: ['https://example.org/"><script>', hostile],
            },
          ],
        },
      ],
    };
    const path = box.path('hostile.json');
    writeFileSync(path, JSON.stringify(report));
    const { scan: result, written, ...rest } = await run(`cat ${path} > "$out"`);
    const markdown = summary({ scan: result, ...rest });
    expect(markdown).not.toMatch(/<script|<\/table|\]\(javascript|!\[i\]\(|\u202e/);
    expect(result.decision.findings[0]?.references).toEqual([]);
    expect(written['security-scan.sarif']).not.toMatch(/\]\(javascript|\u202e/);
  });
});

describe.skipIf(!parts.docker)('ZAP', () => {
  const box = new ToolBox();
  let images: TestImages;
  let server: Server;
  let host: string;

  beforeAll(async () => {
    images = await TestImages.on(parts.docker?.socket ?? '');
    server = createServer((_, response) => response.end('<html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const report = readFileSync(join(import.meta.dirname, '../fixtures/scan/zap-report.json'), 'utf8');
    writeFileSync(box.path('report.json'), report.replaceAll('TARGET', host));
    writeFileSync(box.path('other.json'), report.replaceAll('TARGET', 'elsewhere.example'));
  });
  afterAll(async () => {
    server?.close();
    await images?.close();
    box.close();
  });
  /** A ZAP in name only, that answers with a report of the form that ZAP 2.17 writes. */
  const run = (body: string, given: Record<string, string> = {}, files: Record<string, string> = {}) => {
    box.script('zap.sh', `echo "$@" > ${box.path('arguments')}; cp plan.yaml ${box.path('plan')}; ${body}`);
    const inputs = { image: '', 'target-url': `http://${host}/`, scanners: 'zap', ...given };
    return scan(images, '', inputs, { env: box.env(), files });
  };
  const good = () => `cp ${box.path('report.json')} zap.json`;

  it('gives one finding a parameter, in words, and leaves out what was marked as wrong', async () => {
    const { scan: result } = await run(good());
    const found = result.decision.findings.map((each) => [
      each.severity,
      each.id,
      describeWhere(each.where),
      each.detail,
    ]);
    expect(found).toEqual([
      ['high', 'ZAP-40012', `GET http://${host}/search?q=%3Cscript%3E (parameter q)`, ''],
      ['medium', 'ZAP-10038-1', `GET http://${host}`, 'also at 2 more addresses'],
      ['info', 'ZAP-10109', `GET http://${host}/`, ''],
    ]);
    expect(result.decision.findings[0]).toMatchObject({
      description: 'The query is echoed <as it is> & runs.',
      remedy: 'Escape it. Then test.',
      references: ['https://owasp.org/www-community/attacks/xss/', 'https://cwe.mitre.org/data/definitions/79.html'],
    });
    expect(result.decision.verdict).toBe('fail');
    expect(readFileSync(box.path('arguments'), 'utf8')).toMatch(
      /^-cmd -silent -dir \S+\/home -autorun \S+\/plan\.yaml$/m,
    );
  });

  it('takes its warnings for no crash', async () => {
    const { scan: result } = await run(`${good()}; echo "WARN something"; exit 2`, { 'fail-on': 'none' });
    expect(result.runs).toMatchObject([{ status: 'ran', version: '2.17.0' }]);
    expect(result.decision.verdict).toBe('pass');
  });

  it.each<[string, () => string, string]>([
    ['fails', () => `${good()}; echo "Automation plan failures: Job spider error" ; exit 1`, 'Job spider error'],
    ['writes no report', () => 'exit 0', 'zap wrote no report'],
    ['has seen another site only', () => `cp ${box.path('other.json')} zap.json`, 'zap has seen nothing of'],
    [
      'reached next to nothing',
      () => `sed 's/insight.code.2xx/insight.network.failure/' ${box.path('report.json')} > zap.json`,
      "84 % of ZAP's requests failed",
    ],
  ])('is no pass when it %s', async (_, body, reason) => {
    const { scan: result, message } = await run(body(), { 'fail-on': 'none' });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain(reason);
  });

  it('is no pass when nothing answers at the address', async () => {
    const { scan: result, message } = await run(good(), { 'target-url': 'http://127.0.0.1:1/', 'fail-on': 'none' });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('http://127.0.0.1:1/ cannot be reached');
  });

  it.each<[string, Record<string, string>, readonly string[]]>([
    ['baseline', {}, ['passiveScan-config', 'spider', 'passiveScan-wait', 'report']],
    ['full', {}, ['passiveScan-config', 'spider', 'passiveScan-wait', 'activeScan', 'report']],
    ['api', { openapi: 'api.yaml' }, ['passiveScan-config', 'openapi', 'passiveScan-wait', 'activeScan', 'report']],
  ])('does as told: %s', async (kind, given, jobs) => {
    await run(good(), { 'zap-scan': kind, ...given }, { 'api.yaml': 'openapi: 3.0.0' });
    const plan = JSON.parse(readFileSync(box.path('plan'), 'utf8'));
    expect(plan.jobs.map(({ type }: { type: string }) => type)).toEqual(jobs);
    expect(plan.env.contexts).toEqual([{ name: 'target', urls: [`http://${host}/`] }]);
  });
});

function readProcesses(): readonly string[] {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return ids.map((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  });
}

function hugeReport(bytes: number): string {
  const vulnerabilities: string[] = [];
  const description = 'x'.repeat(1_500);
  for (let size = 0; size < bytes; size += 1_700) {
    const id = `CVE-2026-${20_000 + vulnerabilities.length}`;
    vulnerabilities.push(
      `{"VulnerabilityID":"${id}","PkgName":"p","InstalledVersion":"1","Title":"t","Severity":"HIGH","Description":"${description}"}`,
    );
  }
  return `${EMPTY.slice(0, -1)},"Results":[{"Class":"os-pkgs","Vulnerabilities":[${vulnerabilities.join(',')}]}]}`;
}
