import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, which } from './exec.mjs';

/** A machine without a network must cost seconds. */
const BOUNDS = ['-o', 'Acquire::http::Timeout=8', '-o', 'Acquire::https::Timeout=8', '-o', 'Acquire::Retries=1'];
const POLICY = '/usr/sbin/policy-rc.d';

let updated = null;

/** Why packages of the system cannot be installed here; null when they can. */
export function noApt() {
  if (!which('apt-get')) return 'this is no Debian or Ubuntu';
  if (asRoot('true') === null) return 'that takes root';
  return null;
}

/** The command line that runs a program as root, or null. On a CI machine an unattended sudo will do. */
function asRoot(...command) {
  if (process.getuid?.() === 0) return command;
  return process.env.CI && which('sudo') ? ['sudo', '-n', '--preserve-env=DEBIAN_FRONTEND', ...command] : null;
}

let last = Promise.resolve();

/** Installs packages without starting their services, one call at a time. Returns null, or why it failed. */
export function aptInstall(packages) {
  const installed = last.then(() => install(packages));
  last = installed.catch(() => undefined);
  return installed;
}

async function install(packages) {
  const refused = noApt();
  if (refused) return refused;
  updated ??= apt(['update'], 120);
  const { code: stale, output: updating } = await updated;
  const { code, output } = await withoutServices(() =>
    apt(['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...packages], 300),
  );
  if (code === 0) return null;
  return firstError(stale === 0 ? output : `${updating}\n${output}`);
}

/** Whether apt knows a package. */
export async function aptKnows(name) {
  updated ??= apt(['update'], 120);
  await updated;
  const { output } = await run('apt-cache', ['policy', name], { seconds: 20 });
  return /Candidate: (?!\(none\))/.test(output);
}

function apt(args, seconds) {
  const [program, ...rest] = asRoot('apt-get', '-q', ...BOUNDS, ...args);
  return run(program, rest, { seconds, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}

/** Debian starts a service when its package is installed; the tests start their own, on ports of their own. */
async function withoutServices(work) {
  if (process.getuid?.() !== 0 || existsSync(POLICY)) return work();
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await work();
  } finally {
    rmSync(POLICY, { force: true });
  }
}

function firstError(output) {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.find((line) => /^(E:|Err:|W: Failed)/.test(line)) ?? lines.filter(Boolean).at(-1) ?? 'apt-get failed';
}

/**
 * Unpacks a package of a newer Debian suite into `directory`, installing nothing: for a static program that this suite lacks.
 * Returns null, or why it failed.
 */
export async function aptUnpack(suite, name, directory) {
  const mirror = debianMirror();
  if (!mirror || !which('dpkg-deb')) return 'this is no Debian';
  const scratch = mkdtempSync(join(tmpdir(), 'cd-actions-apt-'));
  try {
    mkdirSync(join(scratch, 'lists/partial'), { recursive: true });
    writeFileSync(join(scratch, 'sources.list'), `deb ${mirror} ${suite} main\n`);
    const options = [
      `Dir::Etc::SourceList=${join(scratch, 'sources.list')}`,
      'Dir::Etc::SourceParts=-',
      `Dir::State::Lists=${join(scratch, 'lists')}`,
      `Dir::Cache::pkgcache=`,
      `Dir::Cache::srcpkgcache=`,
      'Acquire::Check-Valid-Until=false',
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option]);
    const apt = (...args) => run('apt-get', ['-q', ...BOUNDS, ...options, ...args], { seconds: 120, cwd: scratch });
    for (const args of [['update'], ['download', name]]) {
      const { code, output } = await apt(...args);
      if (code !== 0) return firstError(output);
    }
    const file = readdirSync(scratch).find((each) => each.endsWith('.deb'));
    if (!file) return `${suite} has no ${name}`;
    const { code, output } = await run('dpkg-deb', ['-x', join(scratch, file), directory], { seconds: 60 });
    return code === 0 ? null : firstError(output);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The Debian mirror that this machine installs from; null when it is no Debian or names none over HTTP. */
export function debianMirror() {
  if (!/^ID=debian$/m.test(readIf('/etc/os-release'))) return null;
  const directory = '/etc/apt/sources.list.d';
  const files = existsSync(directory) ? readdirSync(directory).sort() : [];
  for (const file of ['/etc/apt/sources.list', ...files.map((name) => `${directory}/${name}`)]) {
    for (const line of readIf(file).split('\n')) {
      if (/^\s*#/.test(line)) continue;
      const url = line.match(/\bhttps?:\/\/\S+?\/debian\/?(?=\s|$)/);
      if (url) return url[0];
    }
  }
  return null;
}

/** The proxy that apt is told to use, as options for a nested apt. */
export async function aptProxyOptions() {
  const { code, output } = await run('apt-config', ['dump', 'Acquire::http::Proxy'], { seconds: 10 });
  return code === 0
    ? output
        .split('\n')
        .filter((line) => /^Acquire::http::Proxy /.test(line))
        .map((line) => line.replace(/;$/, ''))
    : [];
}

function readIf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
