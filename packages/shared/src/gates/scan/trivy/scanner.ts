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
      // Files of our own shut out those of the checkout and of the user, which could hide findings from this gate.
      const session = await tool.open(archive, { 'trivy.yaml': '{}', ignore: '' }, signal);
      try {
        return await work(session, tool, options, signal);
      } finally {
        await session.close();
      }
    },
  };
}

async function work(session: ToolSession, tool: Tool, options: TrivyOptions, signal: AbortSignal): Promise<ScanResult> {
  const before = await aboutItself(session, signal);
  const { ended, why } = await scanAsFarAsPossible(session, before, options.offline, signal);
  if (ended.code !== 0) throw new Error(`trivy failed; ${lastWords(ended)}.`);
  const report = readTrivyReport(parseReport(await session.read(REPORT), TRIVY), ended.stderr);
  const { version, database } = options.offline ? before : await aboutItself(session, signal);
  const stale = why === '' && options.now() - Date.parse(database) > STALE;
  const sbom = options.onSbom ? await makeSbom(session, options.onSbom, signal) : '';
  const day = database.slice(0, 10);
  return {
    version,
    findings: report.findings,
    facts: { ...report.facts, ran: tool.origin, ...(why === '' ? { database } : {}) },
    notChecked: [
      ...report.notChecked,
      ...(why === '' ? [] : [why]),
      ...(sbom === '' ? [] : [sbom]),
      ...(stale ? [`vulnerabilities published after ${day}, the date of the database`] : []),
    ],
    incomplete: [
      ...report.incomplete,
      ...(why === '' ? [] : [why]),
      ...(stale ? [`vulnerabilities published after ${day}: its database is older than 7 days`] : []),
    ],
  };
}

/** With the database if there is one or one can be had, else without. `why`: why no vulnerabilities were looked for. */
async function scanAsFarAsPossible(
  session: ToolSession,
  { version, database }: About,
  offline: boolean,
  signal: AbortSignal,
): Promise<{ readonly ended: Ended; readonly why: string }> {
  const scan = (vulnerabilities: boolean, update: boolean) =>
    scanByEitherWord(session, version, { vulnerabilities, update }, signal);
  if (offline && database === '') return { ended: await scan(false, false), why: NO_DATABASE };
  const first = await scan(true, !offline);
  if (!databaseFailed(first)) return { ended: first, why: '' };
  // It could not be brought up to date; what is here may do, which its date decides.
  const second = database !== '' && !offline ? await scan(true, false) : first;
  if (!databaseFailed(second)) return { ended: second, why: '' };
  // What can be looked for without the database still is.
  const why = `known vulnerabilities, because the database could not be used: ${lastWords(second)}`;
  return { ended: await scan(false, false), why };
}

const databaseFailed = ({ code, stderr }: Ended): boolean => code !== 0 && /\bDB\b|database/i.test(stderr);

interface What {
  readonly vulnerabilities: boolean;
  readonly update: boolean;
}

/** What is `misconfig` since version 0.50 was `config` before. */
async function scanByEitherWord(
  session: ToolSession,
  version: string,
  what: What,
  signal: AbortSignal,
): Promise<Ended> {
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  const words = Number(major) > 0 || Number(minor) >= 50 ? ['misconfig', 'config'] : ['config', 'misconfig'];
  const first = await scan(session, words[0] ?? '', what, signal);
  const refused = first.code !== 0 && /invalid argument|unknown .*scanner/i.test(`${first.stderr}${first.stdout}`);
  return refused ? scan(session, words[1] ?? '', what, signal) : first;
}

function scan(
  session: ToolSession,
  misconfiguration: string,
  { vulnerabilities, update }: What,
  signal: AbortSignal,
): Promise<Ended> {
  const { input, work } = session.places;
  const scanners = [...(vulnerabilities ? ['vuln'] : []), 'secret', misconfiguration].join(',');
  const args = [
    'image',
    ...common(session),
    ...['--input', input, '--format', 'json', '--output', `${work}/${REPORT}`, '--list-all-pkgs', '--exit-code', '0'],
    ...['--scanners', scanners, '--image-config-scanners', `${misconfiguration},secret`],
    ...['--ignorefile', `${work}/ignore`, '--secret-config', `${work}/none-such.yaml`, '--no-progress'],
    ...(update ? [] : ['--offline-scan', '--skip-db-update', '--skip-java-db-update']),
  ];
  // By the environment, where a version that does not know one of them passes over it.
  const quiet = { TRIVY_SKIP_VERSION_CHECK: 'true', TRIVY_DISABLE_TELEMETRY: 'true' };
  const checks = { TRIVY_SKIP_CHECK_UPDATE: 'true', TRIVY_SKIP_POLICY_UPDATE: 'true' };
  return session.run(args, signal, { ...quiet, ...(update ? {} : checks) });
}

/** `trivy.yaml` is given, because Trivy would else read that of its directory. */
function common({ places }: ToolSession): readonly string[] {
  const cache = places.cache === '' ? [] : ['--cache-dir', places.cache];
  return ['--config', `${places.work}/trivy.yaml`, ...cache];
}

interface About {
  readonly version: string;
  /** When its vulnerability database was made, ISO 8601; empty when there is none. */
  readonly database: string;
}

async function aboutItself(session: ToolSession, signal: AbortSignal): Promise<About> {
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
