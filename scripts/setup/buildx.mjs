import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, aptKnows } from './apt.mjs';
import { CACHE, lastLine, run, which } from './exec.mjs';

/** For machines whose system has no package of it. */
const VERSION = 'v0.29.1';

/** A Docker configuration directory with nothing but the plugin in it. */
const BESIDES = join(CACHE, 'buildx');

/**
 * Buildx, for the tests of `build-image`: the CLI's own, the system's package, or one built from its Go module into .cache.
 * The value is a directory for DOCKER_CONFIG, or `the CLI's own`.
 */
export async function findBuildx(log) {
  const docker = which('docker');
  if (!docker) return { skipped: 'there is no Docker CLI' };
  if (await answers({})) return { value: "the CLI's own" };
  if (await answers({ DOCKER_CONFIG: BESIDES })) return { value: BESIDES };
  if ((await aptKnows('docker-buildx')) && (await aptInstall(['docker-buildx'])) === null && (await answers({}))) {
    return { value: "the CLI's own" };
  }
  if (!which('go')) return { skipped: 'the Docker CLI has no Buildx, and building it takes Go' };
  log(`buildx: building ${VERSION} from its Go module`);
  const failed = await built();
  if (failed) return { skipped: `building Buildx failed: ${failed}` };
  return (await answers({ DOCKER_CONFIG: BESIDES }))
    ? { value: BESIDES }
    : { skipped: 'the Buildx that was built does not run' };
}

async function answers(env) {
  const { code, output } = await run(which('docker'), ['buildx', 'version'], {
    seconds: 20,
    env: { ...process.env, ...env },
  });
  return code === 0 && output.includes('buildx');
}

/** Its module replaces others, which `go install` refuses: built from a copy of its sources. Returns null, or why it failed. */
async function built() {
  const module = 'github.com/docker/buildx';
  const fetched = await run('go', ['mod', 'download', '-json', `${module}@${VERSION}`], {
    seconds: 120,
    cwd: tmpdir(),
  });
  const sources = fetched.output.match(/"Dir": "([^"]+)"/)?.[1];
  if (fetched.code !== 0 || !sources || !existsSync(sources)) return lastLine(fetched.output);
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-buildx-'));
  try {
    cpSync(sources, directory, { recursive: true });
    await run('chmod', ['-R', 'u+w', directory]);
    const plugin = join(directory, 'docker-buildx');
    const flags = `-s -w -X ${module}/version.Version=${VERSION}`;
    const args = ['build', '-mod=mod', '-trimpath', '-ldflags', flags, '-o', plugin, './cmd/buildx'];
    const { code, output } = await run('go', args, { seconds: 600, cwd: directory });
    if (code !== 0) return lastLine(output);
    mkdirSync(join(BESIDES, 'cli-plugins'), { recursive: true });
    cpSync(plugin, join(BESIDES, 'cli-plugins/docker-buildx.new'));
    renameSync(join(BESIDES, 'cli-plugins/docker-buildx.new'), join(BESIDES, 'cli-plugins/docker-buildx'));
    return null;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
