import { deflateRawSync } from 'node:zlib';
import { compare, MOST_REMEMBERED, recall, remember } from '@cd-actions/shared/gates/scan/compare';
import { type Finding, mergeFindings, scoreWithin } from '@cd-actions/shared/gates/scan/finding';
import { readGrypeReport } from '@cd-actions/shared/gates/scan/grype/report';
import { environmentOf } from '@cd-actions/shared/gates/scan/tools/environment';
import { MalformedReport } from '@cd-actions/shared/gates/scan/tools/fields';
import { readTrivyReport } from '@cd-actions/shared/gates/scan/trivy/report';
import { readZapReport } from '@cd-actions/shared/gates/scan/zap/report';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const trivy = (results: readonly object[], os: object = { Family: 'debian', Name: '12.5' }, said = '') =>
  readTrivyReport(
    { SchemaVersion: 2, ArtifactType: 'container_image', Metadata: { OS: os, DiffIDs: ['a', 'b'] }, Results: results },
    said,
  );
const known = (more: object) =>
  trivy([{ Class: 'os-pkgs', Vulnerabilities: [{ VulnerabilityID: 'CVE-2026-1', PkgName: 'zlib', ...more }] }])
    .findings[0];

describe('a report of Trivy', () => {
  it.each<[string, object, object]>([
    [
      'takes the score of whoever gave the severity',
      { Severity: 'HIGH', SeveritySource: 'debian', CVSS: { nvd: { V3Score: 8.8 }, debian: { V3Score: 7.1 } } },
      { severity: 'high', score: 7.1 },
    ],
    [
      'else the highest score',
      { Severity: 'HIGH', CVSS: { nvd: { V3Score: 7.3 }, ghsa: { V40Score: 8.2 } } },
      { severity: 'high', score: 8.2 },
    ],
    ['takes what nobody has rated for medium', { Severity: 'UNKNOWN' }, { severity: 'medium', score: 5.5 }],
    ['knows what has no fixed version', { Severity: 'LOW' }, { fixedVersion: null, remedy: '' }],
    [
      'keeps only addresses of the web as references',
      { References: ['ftp://x', 'https://example.org/a', 'javascript:alert(1)', 7] },
      { references: ['https://example.org/a'] },
    ],
  ])('%s', (_, more, expected) => expect(known(more)).toMatchObject(expected));

  it('names the layer of a secret, and nothing of the line it stands in', () => {
    const secrets = [
      { RuleID: 'aws', Severity: 'CRITICAL', Title: 'AWS key', StartLine: 3, Match: 'x=AKIA', Layer: { DiffID: 'b' } },
    ];
    const [found] = trivy([{ Target: '/app/x', Class: 'secret', Secrets: secrets }]).findings;
    expect(found?.where).toEqual({ kind: 'file', path: 'app/x', layer: 2, line: 3, goneIn: null });
    expect(JSON.stringify(found)).not.toContain('AKIA');
  });

  it('says what was set aside, and when no distribution was recognised', () => {
    const { notChecked } = trivy([{ ExperimentalModifiedFindings: [{ Type: 'vulnerability' }] }], {});
    expect(notChecked).toEqual([
      'packages of the system: no distribution was recognised',
      "1 findings that the image's own statements (VEX) set aside",
    ]);
  });

  it('tells a distribution out of support from one that Trivy does not know yet', () => {
    const os = { Family: 'debian', Name: '99', EOSL: true };
    expect(trivy([], os).findings).toMatchObject([{ id: 'OS-END-OF-LIFE', severity: 'high' }]);
    const unknown = trivy([], os, 'WARN\tThis OS version is not on the EOL list\tfamily="debian"');
    expect(unknown).toMatchObject({ findings: [], incomplete: [expect.stringContaining('debian 99')] });
  });
});

const match = (more: { vulnerability?: object; artifact?: object; relatedVulnerabilities?: readonly object[] }) => ({
  relatedVulnerabilities: [],
  ...more,
  vulnerability: {
    id: 'CVE-2026-1',
    severity: 'High',
    fix: { state: 'not-fixed', versions: [] },
    ...more.vulnerability,
  },
  artifact: {
    name: 'zlib',
    version: '1',
    type: 'deb',
    locations: [{ path: '/var/lib/dpkg/status' }],
    ...more.artifact,
  },
});
const grype = (matches: readonly object[], more: object = {}) =>
  readGrypeReport({
    descriptor: { name: 'grype', version: '0.110.0' },
    distro: { name: 'debian', version: '12' },
    matches,
    ...more,
  });

describe('a report of Grype', () => {
  it('goes by the CVE where an advisory is about one, and by the advisory where it is about several', () => {
    const advisory = (ids: readonly string[]) =>
      match({ vulnerability: { id: 'GHSA-1' }, relatedVulnerabilities: ids.map((id) => ({ id })) });
    const [one, several] = grype([advisory(['CVE-2026-7']), advisory(['CVE-2026-7', 'CVE-2026-8'])]).findings;
    expect([one?.id, one?.aliases, several?.id, several?.aliases]).toEqual(['CVE-2026-7', ['GHSA-1'], 'GHSA-1', []]);
  });

  it("calls a package of Maven as Trivy does, and takes the package manager's database for no place", () => {
    const artifact = {
      name: 'log4j-core',
      type: 'java-archive',
      purl: 'pkg:maven/org.apache/log4j-core@2',
      locations: [{ path: '/app/x.jar' }],
    };
    expect(grype([match({ artifact }), match({})]).findings.map(({ where }) => where)).toMatchObject([
      { name: 'org.apache:log4j-core', path: 'app/x.jar' },
      { name: 'zlib', path: '' },
    ]);
  });

  it('takes the severity of a related record where it has none of its own, else medium', () => {
    const unrated = { vulnerability: { severity: 'Unknown' } };
    const related = match({ ...unrated, relatedVulnerabilities: [{ id: 'CVE-2026-1', severity: 'Critical' }] });
    expect(grype([related, match(unrated)]).findings.map(({ severity }) => severity)).toEqual(['critical', 'medium']);
  });

  it('knows of a distribution out of support, as one finding with Trivy', () => {
    const { findings } = grype([], { alertsByPackage: [{ alerts: [{ type: 'distro-eol' }] }] });
    const both = mergeFindings([...findings, ...trivy([], { Family: 'debian', Name: '12', EOSL: true }).findings]);
    expect(both).toMatchObject([{ id: 'OS-END-OF-LIFE', engines: ['grype', 'trivy'] }]);
  });
});

describe('a report of ZAP', () => {
  it('may hold one site by itself', () => {
    const report = readZapReport({ '@version': '2.7.0', site: { '@name': 'http://a:80', alerts: [] } });
    expect([report.saw('http://a/'), report.saw('http://b/')]).toEqual([true, false]);
  });

  it.each<[string, object]>([
    ['no risk', { pluginid: '1', name: 'x', instances: [] }],
    ['a risk that there is not', { pluginid: '1', riskcode: '4', instances: [] }],
    ['no id', { riskcode: '1', instances: [] }],
    ['no list of places', { pluginid: '1', riskcode: '1', instances: 'all' }],
  ])('is refused when an alert has %s', (_, alert) => {
    const report = { '@version': '2.17.0', site: [{ '@name': 'http://a', alerts: [alert] }] };
    expect(() => readZapReport(report)).toThrow(MalformedReport);
  });
});

it.each([
  ['trivy', (report: object) => readTrivyReport(report as never, '')],
  ['grype', (report: object) => readGrypeReport(report as never)],
  ['zap', (report: object) => readZapReport(report as never)],
])('whatever is in a report, %s reads it or says that it is malformed', (_, read) => {
  const keys =
    'SchemaVersion ArtifactType Metadata Results Vulnerabilities Secrets Misconfigurations descriptor matches vulnerability artifact site alerts instances @version riskcode pluginid'.split(
      ' ',
    );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(2, 'container_image', 'grype', '3', null, true, '2.17.0', 'http://a'),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('any'), { maxKeys: 5 }),
    ),
  })).any;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 8 }), (report) => {
      try {
        read(report);
      } catch (error) {
        if (!(error instanceof MalformedReport)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});

describe('what is remembered of a scan', () => {
  const finding = (id: string, more: Partial<Finding> = {}): Finding => ({
    id,
    aliases: [],
    title: id,
    detail: '',
    description: '',
    remedy: '',
    severity: 'high',
    score: scoreWithin('high'),
    where: { kind: 'package', name: 'zlib', version: '1', path: '' },
    fixedVersion: null,
    references: [],
    engines: ['trivy'],
    ...more,
  });
  const baseline = (findings: readonly Finding[]) => ({
    version: '1',
    at: '',
    known: recall(remember(findings)) ?? [],
  });

  it('knows a finding again by any of its names, in another version, from another engine', () => {
    const before = baseline([finding('CVE-1', { aliases: ['GHSA-1'] })]);
    const now = finding('ghsa-1', {
      engines: ['grype'],
      where: { kind: 'package', name: 'zlib', version: '2', path: 'usr' },
    });
    expect(compare([now], before, ['grype'])).toMatchObject({ fresh: [], fixed: [], unchanged: 1 });
  });

  it('calls nothing fixed that nobody looked for', () => {
    const before = baseline([finding('CVE-1'), finding('CVE-2', { engines: ['zap'] })]);
    expect(compare([], before, ['trivy']).fixed.map(({ id }) => id)).toEqual(['CVE-1']);
  });

  it('is bounded: what is beyond it counts as new, and the record has room in the registry', () => {
    const many = Array.from({ length: MOST_REMEMBERED + 10 }, (_, index) =>
      finding(`CVE-2026-${index}${'x'.repeat(150)}`),
    );
    const text = remember(many);
    expect(text.length).toBeLessThan(700_000);
    expect(compare(many, { version: '1', at: '', known: recall(text) ?? [] }, ['trivy']).fresh).toHaveLength(10);
  });

  it.each([
    '',
    'AAAA',
    '!!',
    deflateRawSync('{}').toString('base64'),
    deflateRawSync('[[1]]').toString('base64'),
    deflateRawSync(Buffer.alloc(64_000_000)).toString('base64'),
  ])('is nothing when it is damaged (%#)', (text) => expect(recall(text)).toBeNull());
});

it("gives a tool neither the job's settings for its own use of it, nor its tokens, nor the inputs of the action", () => {
  const env = {
    PATH: '/bin',
    https_proxy: 'http://proxy',
    TRIVY_SEVERITY: 'LOW',
    TRIVY_CACHE_DIR: '/c',
    GRYPE_EXCLUDE: 'x',
    GITHUB_TOKEN: 't',
    'INPUT_REDIS-URL': 'redis://:secret@r',
  };
  expect(environmentOf('trivy', env)).toEqual({ PATH: '/bin', https_proxy: 'http://proxy', TRIVY_CACHE_DIR: '/c' });
});
