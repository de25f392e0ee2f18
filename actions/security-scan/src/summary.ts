import { describeWhere, type Finding, SEVERITIES } from '@cd-actions/shared/gates/scan/finding';
import { plural } from '@cd-actions/shared/gates/scan/gate';
import { code, inline, join, type Markdown } from '@cd-actions/shared/report/markdown';
import { details, heading, table, verdictLine } from '@cd-actions/shared/report/summary';
import type { Scanned } from './main.ts';

const MOST_ROWS = 100;

/** The verdict, what to do about it, then everything else folded. */
export function summary({ scan, message }: Scanned): string {
  const { decision, image, runs } = scan;
  const rest = decision.findings.filter((finding) => !decision.failing.includes(finding));
  return String(
    join(
      verdictLine(decision.verdict, message),
      image ? inline(`${image.reference}, ${image.digest || image.id}`) : '',
      table(SEVERITIES.map(capital), [SEVERITIES.map((severity) => decision.counts[severity])]),
      decision.failing.length > 0 ? join(heading('What to do'), findingsTable(decision.failing)) : '',
      comparisonOf(scan),
      decision.expired.length > 0 ? join(heading('Expired ignore entries'), expiredTable(scan)) : '',
      rest.length > 0
        ? details(`${plural(rest.length, 'finding')} that did not fail the step`, findingsTable(rest))
        : '',
      decision.ignored.length > 0 ? details(`${decision.ignored.length} ignored`, ignoredTable(scan)) : '',
      scan.sbom ? inline(`Software bill of materials (CycloneDX): ${scan.sbom.file}`) : '',
      heading('Scanners'),
      table(
        ['Scanner', 'Version', 'Outcome', 'Not checked'],
        runs.map(({ engine, version, status, reason, milliseconds, notChecked }) => [
          engine,
          version,
          status === 'ran' ? `ran in ${(milliseconds / 1000).toFixed(1)} s` : `${outcomes[status]}: ${reason}`,
          notChecked.join('; '),
        ]),
      ),
    ),
  );
}

function comparisonOf({ decision }: Scanned['scan']): Markdown | string {
  const { comparison } = decision;
  if (comparison === null) return '';
  const { version, at, fresh, fixed, unchanged } = comparison;
  const rows = fixed.map(({ severity, id, place }) => [severity, code(id), place]);
  return join(
    heading(`Against the live version ${version}, scanned ${at}`),
    inline(`${fresh.length} new, ${fixed.length} fixed, ${unchanged} unchanged.`),
    fixed.length > 0 ? details(`${fixed.length} fixed`, table(['Severity', 'Id', 'Where'], rows, MOST_ROWS)) : '',
  );
}

const outcomes = { failed: 'failed', skipped: 'not run' } as const;

function findingsTable(findings: readonly Finding[]): Markdown {
  const rows = findings.map(({ id, severity, title, detail, where, remedy, fixedVersion, engines }) => [
    severity,
    code(id),
    detail === '' ? title : `${title}: ${detail}`,
    describeWhere(where),
    fixedVersion ? `Update to ${fixedVersion}.` : remedy,
    engines.join(', '),
  ]);
  return table(['Severity', 'Id', 'What', 'Where', 'Remedy', 'Found by'], rows, MOST_ROWS);
}

function expiredTable({ decision }: Scanned['scan']): Markdown {
  return table(
    ['Id', 'Expired on', 'Reason given'],
    decision.expired.map(({ id, until, reason }) => [code(id), until, reason]),
  );
}

function ignoredTable({ decision }: Scanned['scan']): Markdown {
  return table(
    ['Severity', 'Id', 'Where', 'Reason', 'Until'],
    decision.ignored.map(({ finding, entry }) => [
      finding.severity,
      code(finding.id),
      describeWhere(finding.where),
      entry.reason,
      entry.until,
    ]),
    MOST_ROWS,
  );
}

const capital = (word: string): string => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
