import { type Finding, mergeFindings, type Severity, scoreWithin } from '@cd-actions/shared/gates/scan/finding';
import { decide, type ScanPolicy } from '@cd-actions/shared/gates/scan/gate';
import { applyIgnores, parseIgnoreFile } from '@cd-actions/shared/gates/scan/ignore';
import { type EngineRun, runScanner, skipped } from '@cd-actions/shared/gates/scan/scanner';
import { describe, expect, it } from 'vitest';

const NOW = Date.parse('2026-06-15T12:00:00Z');

function finding(id: string, severity: Severity, more: Partial<Finding> = {}): Finding {
  return {
    id,
    aliases: [],
    title: id,
    detail: '',
    description: '',
    remedy: '',
    severity,
    score: scoreWithin(severity),
    where: { kind: 'package', name: 'openssl', version: '3.0.1', path: '' },
    fixedVersion: '3.0.2',
    references: [],
    engines: ['trivy'],
    ...more,
  };
}

const ran = (findings: readonly Finding[]): EngineRun => ({
  ...skipped('trivy', '', false),
  status: 'ran',
  findings,
});
const POLICY: ScanPolicy = { severity: 'low', failOn: 'high', ignoreUnfixed: false, ignores: [] };
const verdictOf = (runs: readonly EngineRun[], policy: Partial<ScanPolicy> = {}) =>
  decide(runs, { ...POLICY, ...policy }, NOW).verdict;

describe('one finding of two engines', () => {
  it('names both, keeps the graver severity and whatever only one knows', () => {
    const merged = mergeFindings([
      finding('CVE-2026-1', 'medium', { fixedVersion: null, references: ['a'] }),
      finding('GHSA-x', 'high', {
        aliases: ['cve-2026-1', 'CVE-2026-1'],
        engines: ['grype'],
        references: ['b'],
        where: { kind: 'package', name: 'openssl', version: '3.0.1', path: 'usr/lib/x' },
      }),
    ]);
    expect(merged).toMatchObject([
      {
        id: 'CVE-2026-1',
        severity: 'high',
        fixedVersion: '3.0.2',
        references: ['b', 'a'],
        engines: ['grype', 'trivy'],
      },
    ]);
  });

  it('is not one when package or version differ', () => {
    const where = { kind: 'package', name: 'openssl', version: '1.1', path: '' } as const;
    expect(mergeFindings([finding('CVE-1', 'low'), finding('CVE-1', 'low', { where })])).toHaveLength(2);
  });

  it('has a score that GitHub shows under the same word', () => {
    expect([
      scoreWithin('low', 9.8),
      scoreWithin('critical', 5),
      scoreWithin('high', 7.5),
      scoreWithin('medium'),
    ]).toEqual([3.9, 9.1, 7.5, 5.5]);
  });
});

describe('the gate', () => {
  it('fails on what is grave enough, and reports apart from it', () => {
    const runs = [ran([finding('A', 'high'), finding('B', 'medium'), finding('C', 'info')])];
    const { verdict, findings, failing, counts, below } = decide(runs, POLICY, NOW);
    expect({
      verdict,
      reported: findings.map(({ id }) => id),
      failing: failing.map(({ id }) => id),
      counts,
      below,
    }).toEqual({
      verdict: 'fail',
      reported: ['A', 'B'],
      failing: ['A'],
      counts: { critical: 0, high: 1, medium: 1, low: 0, info: 0 },
      below: 1,
    });
    expect(verdictOf(runs, { failOn: 'critical' })).toBe('pass');
    expect(verdictOf(runs, { failOn: 'none' })).toBe('pass');
  });

  it('leaves out what has no fixed version, but not what needs none', () => {
    const unfixed = ran([finding('CVE-1', 'high', { fixedVersion: null })]);
    expect(verdictOf([unfixed])).toBe('fail');
    expect(verdictOf([unfixed], { ignoreUnfixed: true })).toBe('pass');
    expect(verdictOf([ran([finding('CD013', 'high', { fixedVersion: '' })])], { ignoreUnfixed: true })).toBe('fail');
  });

  it.each<[string, readonly EngineRun[]]>([
    ['nothing ran', []],
    ['everything was skipped', [skipped('trivy', 'absent', false)]],
    ['one that was named did not run', [ran([]), skipped('grype', 'absent', true)]],
    ['one began and failed', [ran([]), { ...skipped('grype', 'crashed', false), status: 'failed' }]],
  ])('is inconclusive when %s', (_, runs) => expect(verdictOf(runs)).toBe('inconclusive'));

  it('passes when what nobody asked for is absent', () => {
    expect(verdictOf([ran([]), skipped('grype', 'absent', false)])).toBe('pass');
  });

  it('fails rather than doubts when it has found something', () => {
    expect(verdictOf([ran([finding('A', 'critical')]), skipped('grype', 'absent', true)])).toBe('fail');
  });
});

describe('an engine', () => {
  const options = { required: true, timeout: 50, signal: new AbortController().signal, now: () => 0 };
  const target = { image: 'x', url: '', archive: () => Promise.reject(new Error('there is none')) };

  it('that hangs has failed when its time is over, and does not hold up the others', async () => {
    const run = await runScanner({ name: 'a', version: '1', scan: () => new Promise(() => {}) }, target, options);
    expect(run).toMatchObject({ status: 'failed', reason: 'it did not finish within 0.05 seconds', required: true });
  });

  it('that throws has failed, with its reason', async () => {
    const scan = () => Promise.reject(new Error('no space left on device'));
    const run = await runScanner({ name: 'a', version: '1', scan }, target, options);
    expect(run).toMatchObject({ status: 'failed', reason: 'no space left on device', findings: [] });
  });

  it('is ended with the run, which then says so', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'));
    const scan = () => new Promise<never>(() => {});
    await expect(runScanner({ name: 'a', version: '1', scan }, target, { ...options, signal })).rejects.toThrow(
      'cancelled',
    );
  });
});

describe('an ignore file', () => {
  const entry = { id: 'CVE-2026-1', reason: 'not reachable', until: '2026-06-15', where: 'openssl' };

  it('says the same as YAML and by lines', async () => {
    const yaml = `ignore:\n  - {id: CVE-2026-1, reason: not reachable, until: 2026-06-15, where: openssl}\n`;
    const lines = '# accepted\n\nCVE-2026-1 until=2026-06-15 where=openssl reason=not reachable\n';
    expect(await parseIgnoreFile('a.yaml', yaml)).toEqual([entry]);
    expect(await parseIgnoreFile('.scanignore', lines)).toEqual([entry]);
    expect(await parseIgnoreFile('a.yml', '')).toEqual([]);
  });

  it.each([
    ['a.yaml', 'ignore: [', 'is not YAML'],
    ['a.yaml', 'ignored: []', 'has no list'],
    ['a.yaml', 'ignore: [CVE-1]', 'entry 1 has no `reason`'],
    ['a.yaml', 'ignore: [{id: CVE-1, reason: x, until: 2026-13-01}]', 'expiry'],
    ['a.yaml', 'ignore: [{id: CVE-1, reason: x, until: 2026-02-30}]', 'expiry'],
    ['a.yaml', 'ignore: [{id: CVE-1, reason: x, until: 2026-02-20, expires: never}]', 'unknown field "expires"'],
    ['a.txt', 'CVE-1', 'line 1 has no `reason`; line 1 has no expiry'],
    ['a.txt', '\nCVE-1 until=2026-01-01 reason=', 'line 2 has no `reason`'],
    ['a.txt', '<script> until=2026-01-01 reason=x', 'no usable `id`'],
    ['a.txt', 'x'.repeat(1_100_000), 'is longer than'],
  ])('that is malformed is refused: %s %j', async (name, content, message) => {
    await expect(parseIgnoreFile(name, content)).rejects.toThrow(message);
  });

  it('accepts a finding to the end of its last day; the day after it fails by itself', () => {
    const findings = [finding('cve-2026-1', 'high')];
    const on = (day: string) => applyIgnores(findings, [entry], Date.parse(`${day}T23:59:59Z`));
    expect(on('2026-06-15')).toMatchObject({ kept: [], ignored: [{ entry }], expired: [] });
    expect(on('2026-06-16')).toMatchObject({ kept: findings, ignored: [], expired: [entry] });
    expect(decide([ran([])], { ...POLICY, ignores: [{ ...entry, until: '2026-06-14' }] }, NOW)).toMatchObject({
      verdict: 'fail',
      reasons: ['The ignore entry for CVE-2026-1 expired on 2026-06-14: renew or remove it.'],
    });
  });

  it('tells of an entry that is for nothing, and holds only for its place', () => {
    const elsewhere = { ...entry, where: 'zlib' };
    expect(applyIgnores([finding('CVE-2026-1', 'high')], [elsewhere], NOW)).toMatchObject({
      kept: [{ id: 'CVE-2026-1' }],
      unused: [elsewhere],
    });
  });
});
