import { UserError } from '../../../domain/errors.ts';
import { CannotBegin, type Scanner, type ScanResult } from '../scanner.ts';
import { line, MalformedReport, parseReport } from '../tools/fields.ts';
import { lastWords, type Tool, type ToolSession } from '../tools/tool.ts';
import { GRYPE, readGrypeReport } from './report.ts';

export interface GrypeOptions {
  /** Nothing is fetched. */
  readonly offline: boolean;
  /** Takes the software bill of materials (CycloneDX, JSON); absent when nobody wants it. */
  readonly onSbom?: (text: string) => Promise<void>;
}

const REPORT = 'grype.json';
const SBOM = 'sbom.cdx.json';

/**
 * Grype on the exported image: known vulnerabilities of packages. It does nothing else, so without a database it cannot begin. Its own
 * configuration and ignore rules are shut out.
 */
export function grypeScanner(tool: Tool, options: GrypeOptions): Scanner {
  return {
    name: GRYPE,
    version: '',
    async scan(target, signal) {
      if (target.image === '') throw new UserError('No image is given.', 'Give the input `image`.');
      const archive = await target.archive(signal);
      const session = await tool.open(archive, { 'configuration.json': '{}' }, signal);
      try {
        return await work(session, tool, options, signal);
      } finally {
        await session.close();
      }
    },
  };
}

async function work(session: ToolSession, tool: Tool, options: GrypeOptions, signal: AbortSignal): Promise<ScanResult> {
  const { input, work: directory, cache } = session.places;
  // Given by name, Grype reads no other: neither of its directory nor of the user's home.
  const common = ['--config', `${directory}/configuration.json`];
  const env = {
    GRYPE_CHECK_FOR_APP_UPDATE: 'false',
    GRYPE_DB_AUTO_UPDATE: String(!options.offline),
    ...(cache === '' ? {} : { GRYPE_DB_CACHE_DIR: cache }),
  };
  if (options.offline) {
    const why = await databaseFault(session, common, env, signal);
    if (why !== '') throw new CannotBegin(`it has no usable vulnerability database here: ${why}`);
  }
  const outputs = [`json=${directory}/${REPORT}`, ...(options.onSbom ? [`cyclonedx-json=${directory}/${SBOM}`] : [])];
  const args = [`docker-archive:${input}`, ...common, ...outputs.flatMap((each) => ['--output', each])];
  const ended = await session.run(args, signal, env);
  // Without `--fail-on` it ends with 0 whatever it finds.
  if (ended.code !== 0) throw new Error(`grype failed; ${lastWords(ended)}.`);
  const report = readGrypeReport(parseReport(await session.read(REPORT), GRYPE));
  const unknown = (await knowsRelease(session, report.distribution, common, env, signal))
    ? []
    : [`vulnerabilities of the packages of ${report.distribution}: Grype's database does not know this release`];
  const sbom = options.onSbom ? await session.read(SBOM) : null;
  if (options.onSbom && sbom) await options.onSbom(sbom);
  return {
    version: report.version,
    findings: report.findings,
    facts: { ...report.facts, ran: tool.origin, database: report.database },
    notChecked: [...report.notChecked, ...unknown],
    incomplete: unknown,
  };
}

/** Why the database cannot be used; empty when it can. */
async function databaseFault(
  session: ToolSession,
  common: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const ended = await session.run(['db', 'status', '--output', 'json', ...common], signal, env);
  try {
    const status = parseReport(ended.stdout, GRYPE);
    return status['valid'] === true ? '' : line(status['error'], 300) || 'it is not valid';
  } catch (error) {
    if (error instanceof MalformedReport) return lastWords(ended);
    throw error;
  }
}

/** Grype is silent about a release that its database does not have: it finds nothing there, as in a sound one. */
async function knowsRelease(
  session: ToolSession,
  distribution: string,
  common: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<boolean> {
  if (distribution === '') return true; // the report says so already
  // Without a release, as in Debian before it is one, there is nothing to look up.
  if (/^(?:debian|ubuntu)$/.test(distribution)) return false;
  const args = ['db', 'search', '--pkg', 'none-such', '--distro', distribution, '--limit', '1', '--output', 'json'];
  const { code, stderr } = await session.run([...args, ...common], signal, { ...env, GRYPE_DB_AUTO_UPDATE: 'false' });
  return code === 0 || !/OS not present/i.test(stderr);
}
