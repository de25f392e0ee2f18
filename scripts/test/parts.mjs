import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { ROOT } from '../setup/exec.mjs';

/** What a part came to: counts, and the titles of what was skipped. */
const result = (passed, failed, skipped = []) => ({ passed, failed, skipped });

/** Runs a program of the project with its output shown. Resolves to its exit code; killed after `minutes`. */
function show(program, args, minutes) {
  const env = { ...process.env, PATH: join(ROOT, 'node_modules/.bin') + delimiter + process.env.PATH };
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
    const timer = setTimeout(() => {
      console.log(`${program} took longer than ${minutes} minutes`);
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
    }, minutes * 60_000);
    const finish = (code) => {
      clearTimeout(timer);
      done(code ?? 1);
    };
    child.on('error', (error) => {
      console.log(`${program}: ${error.message}`);
      finish(1);
    });
    child.on('close', finish);
  });
}

/** A program that either passes or fails. */
async function whole(program, args, minutes) {
  return (await show(program, args, minutes)) === 0 ? result(1, 0) : result(0, 1);
}

async function vitest(args, minutes) {
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-test-'));
  const file = join(directory, 'results.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const code = await show('vitest', ['run', ...reporters, ...args], minutes);
    if (!existsSync(file)) return result(0, 1);
    const counted = count(JSON.parse(readFileSync(file, 'utf8')));
    // An unhandled error fails a run though no test did.
    return code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function count(report) {
  const skipped = [];
  let passed = 0;
  let failed = 0;
  for (const file of report.testResults) {
    // A file that could not even be loaded has no tests to fail.
    if (file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed')) failed += 1;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed += 1;
      else if (test.status === 'failed') failed += 1;
      else skipped.push(`${relative(ROOT, file.name)} > ${test.fullName}`);
    }
  }
  return result(passed, failed, skipped);
}

const ofFolder = (name, minutes) => () => vitest(['--project', name, '--passWithNoTests'], minutes);

/** The parts of `npm test`, in their order: what each needs of the set-up (undefined: everything), and how it runs. */
export const PARTS = {
  lint: { needs: ['dependencies'], run: () => whole('biome', ['check', '--error-on-warnings', '.'], 5) },
  types: { needs: ['dependencies'], run: () => whole('tsc', ['--noEmit'], 5) },
  unit: { needs: ['dependencies'], run: ofFolder('unit', 10) },
  contract: { needs: ['dependencies'], run: ofFolder('contract', 10) },
  integration: { run: ofFolder('integration', 40) },
  bundle: { run: ofFolder('bundle', 10) },
  e2e: { run: ofFolder('e2e', 30) },
  demo: {
    run: async () => {
      if (!existsSync(join(ROOT, 'scripts/demo.mjs'))) return result(0, 0);
      return whole('node', ['scripts/demo.mjs'], 15);
    },
  },
};

/** The tests whose file's path holds `name`. */
export const matching = (name) => vitest([name], 20);
