import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { lastLine, run, TOOLS, which } from './exec.mjs';

/** What executes workflows here, and what reads them: at one version each, built from its Go module or taken from PyPI. */
const WANTED = {
  act: { module: 'github.com/nektos/act', version: 'v0.2.87', asks: ['--version'] },
  actionlint: { module: 'github.com/rhysd/actionlint/cmd/actionlint', version: 'v1.7.12', asks: ['-version'] },
  zizmor: { module: null, version: '1.32.0', asks: ['--version'] },
};

/** Where a tool of this version stands, whether or not it is there. */
function placeOf(name) {
  const { module, version } = WANTED[name];
  const directory = join(TOOLS, 'workflow-tools', `${name}-${version}`);
  return { directory, program: join(directory, module === null ? 'bin' : '', name) };
}

/** One of the tools for workflows; the value is its path. */
export async function findWorkflowTool(name, log) {
  const { directory, program } = placeOf(name);
  const { module, version, asks } = WANTED[name];
  const answers = async () => existsSync(program) && (await run(program, asks, { seconds: 20 })).code === 0;
  if (await answers()) return { value: program };
  const needed = module === null ? 'python3' : 'go';
  if (!which(needed)) return { skipped: `getting ${name} takes ${needed}` };
  log(`${name}: ${module === null ? 'installing' : 'building'} ${version}`);
  mkdirSync(directory, { recursive: true });
  const failed = module === null ? await installed(name, version, directory) : await built(module, version, directory);
  if (failed) return { skipped: `getting ${name} ${version} failed: ${failed}` };
  return (await answers()) ? { value: program } : { skipped: `${program} does not run` };
}

/** Returns null, or why it failed. */
async function built(module, version, directory) {
  const args = ['install', '-trimpath', '-ldflags', '-s -w', `${module}@${version}`];
  const { code, output } = await run('go', args, { seconds: 600, env: { ...process.env, GOBIN: directory } });
  return code === 0 ? null : lastLine(output);
}

/** Its wheel holds one program and needs no other package. Returns null, or why it failed. */
async function installed(name, version, directory) {
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--only-binary',
    ':all:',
  ];
  const { code, output } = await run('python3', [...args, '--target', directory, `${name}==${version}`], {
    seconds: 180,
  });
  return code === 0 ? null : lastLine(output);
}
