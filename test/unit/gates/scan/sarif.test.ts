import { dockerfileLine } from '@cd-actions/shared/gates/scan/dockerfile';
import { type Finding, type Severity, scoreWithin } from '@cd-actions/shared/gates/scan/finding';
import { MAX_RESULTS, toSarif } from '@cd-actions/shared/gates/scan/sarif';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const OPTIONS = { toolVersion: '1.0.0', target: 'shop:1', artifact: 'docker/My Dockerfile', lineOf: () => 3 };

function finding(more: Partial<Finding> = {}): Finding {
  const severity: Severity = more.severity ?? 'high';
  return {
    id: 'CD013',
    aliases: [],
    title: 'A private key',
    detail: 'private key',
    description: 'A key stays in the layer.',
    remedy: 'Replace the key.',
    severity,
    score: scoreWithin(severity),
    where: { kind: 'file', path: 'root/id_rsa', layer: 2, line: 1, goneIn: 3 },
    fixedVersion: '',
    references: ['javascript:alert(1)', 'https://example.org/a b'],
    engines: ['policy'],
    ...more,
  };
}

const runOf = (findings: readonly Finding[], options = OPTIONS) => JSON.parse(toSarif(findings, options).text).runs[0];
const printOf = (more: Partial<Finding>) =>
  runOf([finding(more)]).results[0].partialFingerprints.primaryLocationLineHash;

describe('SARIF', () => {
  it('says of a finding what GitHub shows: rule with help and score, level, message, place in the Dockerfile', () => {
    const { tool, results } = runOf([finding()]);
    expect(tool.driver.rules).toEqual([
      {
        id: 'CD013',
        shortDescription: { text: 'A private key' },
        fullDescription: { text: 'A key stays in the layer.' },
        help: { text: 'A key stays in the layer.\n\nReplace the key.\n\njavascript:alert(1)\nhttps://example.org/a b' },
        helpUri: 'https://example.org/a%20b',
        defaultConfiguration: { level: 'error' },
        properties: { precision: 'high', 'security-severity': '8.0', tags: ['security', 'container', 'policy'] },
      },
    ]);
    expect(results[0]).toMatchObject({
      ruleId: 'CD013',
      ruleIndex: 0,
      level: 'error',
      message: {
        text: 'A private key: private key. Where: /root/id_rsa:1 (layer 2, gone from view in layer 3 but still in the image).',
      },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'docker/My%20Dockerfile', uriBaseId: '%SRCROOT%' },
            region: { startLine: 3 },
          },
        },
      ],
    });
  });

  it('has prints that stay when layers, versions or ages change, and differ where findings do', () => {
    const where = { kind: 'file', path: 'root/id_rsa', layer: 2, line: 1, goneIn: null } as const;
    expect(printOf({ where: { ...where, layer: 7, goneIn: 9 } })).toBe(printOf({ where }));
    expect(printOf({ where: { ...where, path: 'root/id_dsa' } })).not.toBe(printOf({ where }));
    const age = { id: 'CD061', where: { kind: 'config', key: 'Created' } } as const;
    expect(printOf({ ...age, detail: 'built 200 days ago' })).toBe(printOf({ ...age, detail: 'built 201 days ago' }));
    const step = (number: number) => ({ kind: 'config', key: `history ${number}` }) as const;
    expect(printOf({ where: step(3) })).toBe(printOf({ where: step(4) }));
    const prints = runOf([finding(), finding()]).results.map(
      (result: { partialFingerprints: { primaryLocationLineHash: string } }) =>
        result.partialFingerprints.primaryLocationLineHash,
    );
    expect(new Set(prints).size).toBe(2);
  });

  it('keeps the most severe of more than GitHub shows, and says how many it left out', () => {
    const low = Array.from({ length: MAX_RESULTS + 10 }, (_, i) => finding({ id: `L${i}`, severity: 'low', score: 2 }));
    const { text, omitted } = toSarif([...low, finding({ severity: 'critical', score: 9.5 })], OPTIONS);
    const { results } = JSON.parse(text).runs[0];
    expect({ first: results[0].ruleId, count: results.length, omitted }).toEqual({
      first: 'CD013',
      count: MAX_RESULTS,
      omitted: 11,
    });
  });

  it('gives no score to a hint', () => {
    expect(runOf([finding({ severity: 'info', score: 0 })]).tool.driver.rules[0].properties).not.toHaveProperty(
      'security-severity',
    );
  });

  it('holds whatever text an engine reports: nothing reads as a link, controls nothing, or is too long', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.constantFrom('[a](1)', '\u001b[31m', '\ud800', '\u202e', 'a'.repeat(9000)),
    );
    fc.assert(
      fc.property(hostile, hostile, hostile, (title, detail, path) => {
        const where = { kind: 'file', path, layer: 1, line: null, goneIn: null } as const;
        const { results, tool } = runOf([finding({ title, detail, description: title, where })]);
        const texts: string[] = [
          results[0].message.text,
          tool.driver.rules[0].shortDescription.text,
          tool.driver.rules[0].help.text,
        ];
        for (const text of texts) {
          expect(text.replace(/[\t\n]/g, '')).not.toMatch(/\]\(|\p{Cc}|\u202e/u);
          expect(text.isWellFormed()).toBe(true);
          expect(text.length).toBeLessThanOrEqual(8192);
        }
        expect(texts[0]?.length).toBeLessThanOrEqual(1024);
      }),
      { numRuns: 50 },
    );
  });
});

it('a finding is shown at the instruction that made it, else at the last FROM', () => {
  const dockerfile = [
    'FROM a AS build',
    'ENV X=1',
    'FROM b',
    '# ENV SECRET=0',
    'ENV A=1 \\',
    '    SECRET=2',
    'USER app',
    'EXPOSE 22',
  ].join('\n');
  const line = (key: string) => dockerfileLine(dockerfile, { kind: 'config', key });
  expect([
    line('Env.SECRET'),
    line('User'),
    line('ExposedPorts.22/tcp'),
    line('Healthcheck'),
    line('history 2'),
  ]).toEqual([5, 7, 8, 3, 3]);
  expect(dockerfileLine('', { kind: 'config', key: 'User' })).toBe(1);
});
