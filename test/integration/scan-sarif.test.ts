import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Finding, SEVERITIES, scoreWithin, type Where } from '@cd-actions/shared/gates/scan/finding';
import { RULES } from '@cd-actions/shared/gates/scan/policy/rules';
import { toSarif } from '@cd-actions/shared/gates/scan/sarif';
import { afterAll, describe, expect, it } from 'vitest';
import { sarifMultitool } from '../fixtures/scan/tools.ts';

const multitool = await sarifMultitool();

const PLACES: readonly Where[] = [
  { kind: 'config', key: 'User' },
  { kind: 'file', path: 'app/[id]/gr\u00fc\u00dfe \u202e.js', layer: 2, line: 7, goneIn: 3 },
  { kind: 'package', name: 'openssl', version: '3.0.1', path: 'usr/lib' },
  { kind: 'url', url: 'http://127.0.0.1/?a=<script>', method: 'GET', parameter: 'a' },
];
const HOSTILE = ['[x](1)', '{0}', '\u001b[31m', '<img src=x onerror=alert(1)>', 'a'.repeat(20_000), '\ud800'];

/** One of every rule, severity and kind of place, with text that would break out of it. */
const findings: readonly Finding[] = [
  ...RULES,
  ...HOSTILE.map((title, index) => ({ id: `CVE-2026-${index}`, title })),
].map(({ id, title }, index) => {
  const severity = SEVERITIES[index % SEVERITIES.length] ?? 'low';
  return {
    id,
    aliases: [],
    title,
    detail: HOSTILE[index % HOSTILE.length] ?? '',
    description: title,
    remedy: HOSTILE[(index + 1) % HOSTILE.length] ?? '',
    severity,
    score: scoreWithin(severity),
    where: PLACES[index % PLACES.length] as Where,
    fixedVersion: null,
    references: ['https://example.org/advisory'],
    engines: ['policy', 'trivy'],
  };
});

describe.skipIf(!multitool)('SARIF by the official schema and the rules of GitHub code scanning', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-sarif-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function complaints(text: string): Promise<readonly string[]> {
    const [input, output] = [join(directory, 'in.sarif'), join(directory, 'out.sarif')];
    writeFileSync(input, text);
    const args = [
      'validate',
      input,
      '--rule-kind',
      'Sarif;GHAS',
      '--level',
      'Error',
      '--kind',
      'Fail',
      '-o',
      output,
      '--log',
      'ForceOverwrite',
    ];
    await promisify(execFile)(multitool ?? '', args, { env: { DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1' } }).catch(
      () => undefined,
    );
    const { results } = JSON.parse(readFileSync(output, 'utf8')).runs[0];
    return results.map(
      (result: { ruleId: string; message: object }) => `${result.ruleId} ${JSON.stringify(result.message)}`,
    );
  }

  const text = toSarif(findings, {
    toolVersion: '1.0.0',
    target: 'shop:1',
    artifact: 'Dockerfile',
    lineOf: () => 1,
  }).text;

  it('is without an error, whatever text the findings hold', async () => {
    expect(await complaints(text)).toEqual([]);
    expect(
      await complaints(toSarif([], { toolVersion: '1.0.0', target: '', artifact: 'Dockerfile', lineOf: () => 1 }).text),
    ).toEqual([]);
  });

  it.each<[string, string, (result: Record<string, unknown>) => void]>([
    ['a result without a location', 'GH1015', (result) => delete result['locations']],
    ['a field that SARIF has not', 'JSON1005', (result) => Object.assign(result, { grave: true })],
  ])('is a check that can fail: %s', async (_, rule, spoil) => {
    const log = JSON.parse(text);
    spoil(log.runs[0].results[0]);
    expect((await complaints(JSON.stringify(log))).map((each) => each.split(' ')[0])).toContain(rule);
  });
});
