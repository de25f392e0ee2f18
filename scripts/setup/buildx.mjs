import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, aptKnows, aptUnpack } from './apt.mjs';
import { run, TOOLS, which } from './exec.mjs';

/** Where Debian's package has the plugin. */
const PLUGIN = 'usr/libexec/docker/cli-plugins/docker-buildx';

/** A Docker configuration directory with nothing but the plugin in it. */
const BESIDES = join(TOOLS, 'buildx');

/**
 * Buildx, for the tests of `build-image`: the CLI's own, the system's package, or a newer Debian's, unpacked beside.
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
  log('buildx: unpacking the package of a newer Debian');
  const failed = await unpacked();
  if (failed) return { skipped: `the Docker CLI has no Buildx, and none can be had: ${failed}` };
  return (await answers({ DOCKER_CONFIG: BESIDES }))
    ? { value: BESIDES }
    : { skipped: 'the Buildx that was unpacked does not run here' };
}

async function answers(env) {
  const { code, output } = await run(which('docker'), ['buildx', 'version'], {
    seconds: 20,
    env: { ...process.env, ...env },
  });
  return code === 0 && output.includes('buildx');
}

/** Debian's package of a newer suite; it stands on nothing but an older C library. Returns null, or why it failed. */
async function unpacked() {
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-buildx-'));
  try {
    const failed = await aptUnpack('forky', 'docker-buildx', directory);
    if (failed) return failed;
    mkdirSync(join(BESIDES, 'cli-plugins'), { recursive: true });
    cpSync(join(directory, PLUGIN), join(BESIDES, 'cli-plugins/docker-buildx.new'));
    renameSync(join(BESIDES, 'cli-plugins/docker-buildx.new'), join(BESIDES, 'cli-plugins/docker-buildx'));
    return null;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
