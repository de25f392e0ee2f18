// Prepares what the tests and the demo need, and writes down what is there. Runs on Node 20 with nothing installed.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findWorkflowTool } from './setup/act.mjs';
import { aptInstall } from './setup/apt.mjs';
import { findBuildx } from './setup/buildx.mjs';
import { installDependencies, runtime } from './setup/dependencies.mjs';
import { findDocker } from './setup/docker.mjs';
import { CACHE, locked, ROOT, run, which } from './setup/exec.mjs';
import { findApp, findImage } from './setup/images.mjs';
import { findGrype, findTrivy } from './setup/scan-tools.mjs';

export { runtime } from './setup/dependencies.mjs';
export { ROOT } from './setup/exec.mjs';

/** Everything that can be asked for; a part brings along the parts it stands on. */
const PARTS = [
  'dependencies',
  'docker',
  'redis',
  'nginx',
  'registry',
  'sshd',
  'iproute2',
  'buildx',
  'trivy',
  'grype',
  'nginx-image',
  'node-image',
  'redis-image',
  'app-image',
  'act',
  'actionlint',
  'zizmor',
];

const WORKFLOW_TOOLS = ['act', 'actionlint', 'zizmor'];

const STANDS_ON = {
  buildx: ['docker'],
  'nginx-image': ['docker'],
  'node-image': ['dependencies', 'docker'],
  'redis-image': ['docker'],
  'app-image': ['node-image'],
};

/** Programs of the machine: the part, the package that brings it, the program. */
const PROGRAMS = {
  redis: { packages: ['redis-server'], program: 'redis-server' },
  nginx: { packages: ['nginx', 'libnginx-mod-http-js'], program: 'nginx' },
  registry: { packages: ['docker-registry'], program: 'docker-registry' },
  sshd: { packages: ['openssh-server'], program: 'sshd' },
  // For Docker hosts of a test's own, in network namespaces.
  iproute2: { packages: ['iproute2'], program: 'ip' },
};

/**
 * Prepares parts, in the order they depend on each other, and returns what is there by name:
 * `{ ready: true, value }` or `{ ready: false, reason }`. A part that cannot be had is no error; a failing `npm ci` is.
 * Safe to call twice and at once; quick when all is there.
 */
export async function setup({ needs = PARTS, log = console.log } = {}) {
  const wanted = withFoundations(needs);
  return locked(() => prepare(wanted, log), { onWait: () => log('set-up: waiting for another one to finish') });
}

function withFoundations(needs) {
  const wanted = new Set();
  const add = (part) => {
    if (!PARTS.includes(part)) throw new Error(`no such part: ${part} (there are ${PARTS.join(', ')})`);
    for (const foundation of STANDS_ON[part] ?? []) add(foundation);
    wanted.add(part);
  };
  needs.forEach(add);
  return wanted;
}

async function prepare(wanted, log) {
  const found = {};
  const find = async (part, work) => {
    if (!wanted.has(part)) return;
    const { value, skipped } = await work().catch((error) => {
      if (part === 'dependencies') throw error;
      return { skipped: error.message };
    });
    found[part] = value === undefined ? { ready: false, reason: skipped } : { ready: true, value };
    log(value === undefined ? `${part}: skipped, ${skipped}` : `${part}: ready (${describe(value)})`);
  };
  await find('dependencies', async () => {
    await installDependencies(log);
    const node = runtime();
    if (!node) throw new Error(`Node 24 is needed on ${process.platform}-${process.arch}; this is ${process.version}.`);
    return { value: node };
  });
  // One after the other: the package manager allows one at a time.
  await find('docker', () => findDocker(log));
  for (const [part, { packages, program }] of Object.entries(PROGRAMS)) {
    await find(part, () => findProgram(part, packages, program, log));
  }
  const socket = found.docker?.value?.socket;
  const image = (name) => find(`${name}-image`, () => (socket ? findImage(name, socket, log) : noDocker()));
  await Promise.all([image('node'), image('nginx'), image('redis'), find('buildx', () => findBuildx(log))]);
  // A build that takes every processor: by itself.
  await find('trivy', () => findTrivy(log));
  await find('grype', () => findGrype(log));
  const node = found['node-image'];
  await find('app-image', () => (node?.ready ? findApp(socket, node.value) : noDocker('there is no Node image')));
  for (const tool of WORKFLOW_TOOLS) await find(tool, () => findWorkflowTool(tool, log));
  record(found, wanted);
  return found;
}

const noDocker = async (reason = 'there is no Docker engine') => ({ skipped: reason });

async function findProgram(part, packages, program, log) {
  let path = which(program);
  if (!path) {
    log(`${part}: installing`);
    const failed = await aptInstall(packages);
    path = which(program);
    if (!path) return { skipped: `no ${program} on this machine, and installing it failed: ${failed}` };
  }
  return { value: part === 'nginx' ? { binary: path, version: await nginxVersion(path) } : path };
}

async function nginxVersion(binary) {
  const { output } = await run(binary, ['-v'], { seconds: 10 });
  return output.match(/nginx\/([\d.]+)/)?.[1] ?? 'unknown';
}

function describe(value) {
  if (typeof value === 'string') return value.startsWith(ROOT) ? value.slice(ROOT.length + 1) : value;
  return Object.values(value).join(' ');
}

/** Writes what is there for test/support/parts.ts; only a whole set-up may, or a partial one would hide parts. */
function record(found, wanted) {
  if (PARTS.some((part) => !wanted.has(part))) return;
  const value = (part) => found[part]?.value ?? null;
  const program = (part, key) => (value(part) === null ? null : { [key]: value(part) });
  const images = {
    nginx: value('nginx-image'),
    app: value('app-image'),
    node: value('node-image'),
    redis: value('redis-image'),
  };
  const parts = {
    docker: value('docker'),
    redis: program('redis', 'server'),
    nginx: value('nginx'),
    images: images.nginx && images.app && images.node ? images : null,
    registry: program('registry', 'binary'),
    scanners: { trivy: value('trivy'), grype: value('grype') },
    ...Object.fromEntries(WORKFLOW_TOOLS.map((tool) => [tool, program(tool, 'binary')])),
    skipped: Object.fromEntries(
      Object.entries(found).flatMap(([part, each]) => (each.ready ? [] : [[part, each.reason]])),
    ),
  };
  mkdirSync(CACHE, { recursive: true });
  const temporary = join(CACHE, `parts.json.${process.pid}`);
  writeFileSync(temporary, `${JSON.stringify(parts, null, 2)}\n`);
  renameSync(temporary, join(CACHE, 'parts.json'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await setup({ needs: process.argv.length > 2 ? process.argv.slice(2) : PARTS });
  } catch (error) {
    console.error(`set-up: ${error.message}`);
    process.exitCode = 1;
  }
}
