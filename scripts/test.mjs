// `npm test` runs everything and closes with `N passed, N failed`; `npm test -- NAME` runs one part, or the test files whose
// path holds NAME. Runs on Node 20: the set-up brings the Node of the project.
import { setup } from './setup.mjs';
import { matching, PARTS } from './test/parts.mjs';

const names = process.argv.slice(2);

async function main() {
  const total = { passed: 0, failed: 0, skipped: [] };
  for (const [title, needs, run] of plan()) {
    await prepare(needs);
    const started = Date.now();
    console.log(`\n== ${title}`);
    const { passed, failed, skipped } = await run();
    total.passed += passed;
    total.failed += failed;
    total.skipped.push(...skipped);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`== ${title}: ${passed} passed, ${failed} failed, ${skipped.length} skipped in ${seconds} s`);
  }
  for (const title of total.skipped) console.log(`skipped: ${title}`);
  const skips = total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : '';
  console.log(`\n${total.passed} passed, ${total.failed} failed${skips}`);
  // A run without a single test has shown nothing.
  process.exitCode = total.failed > 0 || total.passed + total.skipped.length === 0 ? 1 : 0;
}

function plan() {
  if (names.length === 0) return Object.entries(PARTS).map(([name, { needs, run }]) => [name, needs, run]);
  return names.map((name) => {
    const part = PARTS[name];
    return part ? [name, part.needs, part.run] : [`tests like ${name}`, undefined, () => matching(name)];
  });
}

let prepared = null;

/** Only the parts that need it wait for engines and images; what was prepared once stays so. */
async function prepare(needs) {
  // From the whole of the parts, when the whole suite runs: an engine that cannot start should show at once.
  const key = names.length === 0 ? 'all' : (needs?.join() ?? 'all');
  if (prepared === key || prepared === 'all') return;
  console.log('== set-up');
  await setup(key === 'all' ? {} : { needs });
  prepared = key;
}

try {
  await main();
} catch (error) {
  console.error(`\n${error.message}\n\n0 passed, 1 failed`);
  process.exitCode = 1;
}
