import { messageOf, UserError } from '../../../domain/errors.ts';
import type { Scanner, ScanResult } from '../scanner.ts';
import { fields, line, MalformedReport, parseReport } from '../tools/fields.ts';
import type { Ended } from '../tools/program.ts';
import { lastWords, type Tool, type ToolSession } from '../tools/tool.ts';
import { readTrivyReport, TRIVY } from './report.ts';

export interface TrivyOptions {
  /** Nothing is fetched: what needs a database that is not here is not done. */
  readonly offline: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Takes the software bill of materials (CycloneDX, JSON); absent when nobody wants it. */
  readonly onSbom?: (text: string) => Promise<void>;
}

const REPORT = 'trivy.json';
const SBOM = 'sbom.cdx.json';
/** Advisories are published every day; older than this, the database misses what users expect to be found. Milliseconds. */
const STALE = 7 * 86_400_000;
const NO_DATABASE = 'known vulnerabilities, because there is no vulnerability database here';

/**
 * Trivy on the exported image: vulnerabilities, secrets (in every layer) and misconfiguration. Without a database it still looks for
 * the latter two, and says that the first was not done. Its own configuration and ignore files are shut out.
 */
export function trivyScanner(tool: Tool, options: TrivyOptions): Scanner {
  return {
    name: TRIVY,
    version: '',
    async scan(target, signal) {
      if (target.image === '') throw new UserError('No image is given.', 'Give the input `image`.');
      const archive = await target.archive(signal);
      // Empty files shut out those of the checkout and of the user, which could hide findings from this gate.
      const session = await tool.open(archive, { 'trivy.yaml': '', ignore: '', 'secret.yaml': '' }, signal);
      try {
        return await work(session, tool, options, signal);
      } finally {
        await session.close();
      }
    },
  };
}

async function work(session: ToolSession, tool: Tool, options: TrivyOptions, signal: AbortSignal): Promise<ScanResult> {
  const help = (await session.run(['image', '--help'], signal)).stdout;
  const before = await aboutItself(session, signal);
  const known = before.database !== '';
  let vulnerabilities = known || !options.offline;
  let ended = await scan(session, help, { vulnerabilities, update: !options.offline }, signal);
  let why = vulnerabilities ? '' : NO_DATABASE;
  if (known && !options.offline && databaseFailed(ended)) {
    // It could not be brought up to date; its date decides below whether it will do.
    ended = await scan(session, help, { vulnerabilities, update: false }, signal);
  }
  if (vulnerabilities && databaseFailed(ended)) {
    // What can be looked for without the database still is.
    why = `known vulnerabilities, because the database could not be used: ${lastWords(ended)}`;
    vulnerabilities = false;
    ended = await scan(session, help, { vulnerabilities, update: false }, signal);
  }
  if (ended.code !== 0) throw new Error(`trivy failed; ${lastWords(ended)}.`);
  const document = parseReport(await session.read(REPORT), TRIVY);
  const report = readTrivyReport(document);
  const { version, database } = await aboutItself(session, signal);
  const stale = vulnerabilities && database !== '' && options.now() - Date.parse(database) > STALE;
  const sbom = options.onSbom ? await makeSbom(session, options.onSbom, signal) : '';
  return {
    version,
    findings: report.findings,
    facts: { ...report.facts, ran: tool.origin, ...(vulnerabilities ? { database } : {}) },
    notChecked: [
      ...report.notChecked,
      ...(why === '' ? [] : [why]),
      ...(sbom === '' ? [] : [sbom]),
      ...(stale ? [`vulnerabilities published after ${database.slice(0, 10)}, the date of the database`] : []),
    ],
    incomplete: [
      ...(why === '' ? [] : [why]),
      ...(stale ? [`its database is of ${database.slice(0, 10)}, older than 7 days`] : []),
    ],
  };
}

const databaseFailed = ({ code, stderr }: Ended): boolean => code !== 0 && /\bDB\b|database/i.test(stderr);

interface What {
  readonly vulnerabilities: boolean;
  readonly update: boolean;
}

/** Flags whose name differs from version to version are taken from the tool's own help. */
function scan(session: ToolSession, help: string, { vulnerabilities, update }: What, signal: AbortSignal) {
  const { input, work } = session.places;
  const misconfiguration = /\bmisconfig\b/.test(help) ? 'misconfig' : 'config';
  const scanners = [...(vulnerabilities ? ['vuln'] : []), 'secret', misconfiguration].join(',');
  const checks = help.includes('--skip-check-update') ? '--skip-check-update' : '--skip-policy-update';
  const quiet = ['--skip-version-check', '--disable-telemetry'].filter((flag) => help.includes(flag));
  const still = update ? [] : ['--offline-scan', checks, '--skip-db-update', '--skip-java-db-update'];
  return session.run(
    [
      'image',
      ...common(session),
      ...['--input', input, '--format', 'json', '--output', `${work}/${REPORT}`, '--list-all-pkgs', '--exit-code', '0'],
      ...['--scanners', scanners, '--image-config-scanners', `${misconfiguration},secret`],
      ...['--ignorefile', `${work}/ignore`, '--secret-config', `${work}/secret.yaml`, '--no-progress'],
      ...still,
      ...quiet,
    ],
    signal,
  );
}

/** `trivy.yaml` is given, because Trivy would else read that of its directory. */
function common({ places }: ToolSession): readonly string[] {
  const cache = places.cache === '' ? [] : ['--cache-dir', places.cache];
  return ['--config', `${places.work}/trivy.yaml`, ...cache];
}

/** Its version, and when its vulnerability database was made (ISO 8601); empty when there is none. */
async function aboutItself(session: ToolSession, signal: AbortSignal): Promise<{ version: string; database: string }> {
  const { stdout } = await session.run(['version', '--format', 'json', ...common(session)], signal);
  try {
    const about = parseReport(stdout, TRIVY);
    const made = line(fields(about['VulnerabilityDB'])['UpdatedAt'], 60);
    return { version: line(about['Version'], 60), database: Number.isNaN(Date.parse(made)) ? '' : made };
  } catch (error) {
    if (error instanceof MalformedReport) throw new Error(`trivy does not tell its version: ${messageOf(error)}`);
    throw error;
  }
}

/** Empty, or why there is no bill of materials: the scan stands without it. */
async function makeSbom(
  session: ToolSession,
  take: (text: string) => Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  const { work } = session.places;
  const args = ['convert', ...common(session), '--format', 'cyclonedx', '--output', `${work}/${SBOM}`];
  const ended = await session.run([...args, `${work}/${REPORT}`], signal);
  const text = ended.code === 0 ? await session.read(SBOM) : null;
  if (text === null) return `the bill of materials could not be written: ${lastWords(ended)}`;
  await take(text);
  return '';
}
