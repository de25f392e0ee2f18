/** One thing that was checked. */
export interface JunitCase {
  readonly name: string;
  /** What it belongs to, such as a gate or a URL. */
  readonly group: string;
  readonly outcome: 'pass' | 'fail' | 'error' | 'skip';
  readonly milliseconds: number;
  /** Why it did not pass; empty when it did. */
  readonly message: string;
  /** Further lines, such as the answer that was received. */
  readonly output?: string;
}

/**
 * Checks as a JUnit report, in the form that its readers share (https://github.com/testmoapp/junitxml). `at` is when the checks began,
 * milliseconds since the epoch.
 */
export function junit(suite: string, at: number, cases: readonly JunitCase[]): string {
  const count = (outcome: JunitCase['outcome']): number => cases.filter((each) => each.outcome === outcome).length;
  const time = seconds(cases.reduce((sum, each) => sum + each.milliseconds, 0));
  const totals = `tests="${cases.length}" failures="${count('fail')}" errors="${count('error')}" skipped="${count('skip')}" time="${time}"`;
  const name = `name="${xml(suite)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${name} ${totals}>`,
    `  <testsuite ${name} ${totals} timestamp="${new Date(at).toISOString().slice(0, 19)}">`,
    ...cases.map(testCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

const ELEMENTS = { fail: 'failure', error: 'error', skip: 'skipped' } as const;

function testCase(check: JunitCase): string {
  const open = `    <testcase name="${xml(check.name)}" classname="${xml(check.group)}" time="${seconds(check.milliseconds)}"`;
  const message = `message="${xml(check.message)}"`;
  const lines = [
    ...(check.outcome === 'pass' ? [] : [`      <${ELEMENTS[check.outcome]} ${message}/>`]),
    ...(check.output ? [`      <system-out>${xml(check.output)}</system-out>`] : []),
  ];
  return lines.length === 0 ? `${open}/>` : [`${open}>`, ...lines, '    </testcase>'].join('\n');
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

/** What XML 1.0 cannot hold in any form (https://www.w3.org/TR/xml/#charsets). */
const NOT_XML = /(?![\t\n\r])\p{Cc}|[\ufffe\uffff]/gu;

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text for an attribute or an element; line breaks and tabs survive in both. */
function xml(text: string): string {
  return text
    .toWellFormed()
    .replace(NOT_XML, '\ufffd')
    .replace(/[&<>"']/g, (character) => REFERENCES[character] ?? '')
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
