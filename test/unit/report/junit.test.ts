import { junit } from '@cd-actions/shared/report/junit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('a JUnit report', () => {
  it('counts, times and explains what was checked', () => {
    const report = junit('verify shop@production', Date.parse('2030-01-01T10:20:30.400Z'), [
      { name: 'GET /health 200', group: 'checks', outcome: 'pass', milliseconds: 12, message: '' },
      {
        name: 'GET /api 200',
        group: 'checks',
        outcome: 'fail',
        milliseconds: 1500,
        message: 'answered "503"',
        output: 'a <b>\nc',
      },
      { name: 'script', group: 'checks', outcome: 'error', milliseconds: 0, message: 'no such file' },
      { name: 'judge', group: 'checks', outcome: 'skip', milliseconds: 0, message: 'nothing to compare with' },
    ]);
    expect(report).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="verify shop@production" tests="4" failures="1" errors="1" skipped="1" time="1.512">
  <testsuite name="verify shop@production" tests="4" failures="1" errors="1" skipped="1" time="1.512" timestamp="2030-01-01T10:20:30">
    <testcase name="GET /health 200" classname="checks" time="0.012"/>
    <testcase name="GET /api 200" classname="checks" time="1.500">
      <failure message="answered &quot;503&quot;"/>
      <system-out>a &lt;b&gt;&#10;c</system-out>
    </testcase>
    <testcase name="script" classname="checks" time="0.000">
      <error message="no such file"/>
    </testcase>
    <testcase name="judge" classname="checks" time="0.000">
      <skipped message="nothing to compare with"/>
    </testcase>
  </testsuite>
</testsuites>
`);
  });

  it('keeps its shape for any text, and holds only what XML can hold', () => {
    const text = fc.string({ unit: 'binary', maxLength: 30 });
    fc.assert(
      fc.property(text, text, text, (name, message, output) => {
        const report = junit(name, 0, [
          { name, group: name, outcome: 'fail', milliseconds: 1, message, output: `${output}.` },
        ]);
        expect(report.split('\n')).toHaveLength(10);
        expect(report).not.toMatch(/(?!\n)\p{Cc}|[\ufffe\uffff]|&(?!(?:amp|lt|gt|quot|apos|#\d+);)/u);
        expect(report.match(/</g)).toHaveLength(10);
      }),
    );
  });
});
