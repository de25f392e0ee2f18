// The demo's story: three versions of an application are delivered under constant load, by the bundles that a workflow runs.
import { application } from './application.ts';
import { Load } from './load.ts';
import { printTable } from './report.ts';
import { readSettings } from './settings.ts';
import { Stages } from './stages.ts';
import { World } from './world.ts';

const settings = readSettings(process.argv[2]);
const world = new World(settings);
process.once('SIGINT', () => void world.close().finally(() => process.exit(130)));
process.once('SIGTERM', () => void world.close().finally(() => process.exit(143)));

try {
  await world.open();
  const app = application(settings, world);
  const stages = new Stages(world);
  const load = new Load(world.publicUrl + app.loadPath);

  await stages.run('Prepare the host', 'prepare-host', { redis: 'none' });

  const first = await stages.candidate('v1', app.version('v1'));
  await stages.run('v1: look at the Nginx configuration', 'render-nginx', {
    version: 'v1',
    listen: String(world.port),
  });
  await stages.run('v1: give it the traffic', 'switch-traffic', { version: 'v1', listen: String(world.port) });
  await stages.run('v1: verify', 'verify', { url: world.publicUrl, checks: app.checks });
  await stages.perfTest('v1: performance', first);
  load.start();

  await stages.candidate('v2', app.version('v2'));
  await stages.run('v2: canary 5, 25, 50, 100 %', 'switch-traffic', {
    version: 'v2',
    listen: String(world.port),
    steps: '5,25,50,100',
    'step-interval': `${settings.seconds}s`,
  });
  await stages.run('v2: verify', 'verify', { url: world.publicUrl, checks: app.checks, duration: '3s' });

  await stages.candidate('v3', app.version('v3'));
  await stages.run('v3: give it the traffic', 'switch-traffic', {
    version: 'v3',
    listen: String(world.port),
    steps: '100',
  });
  await stages.run(
    'v3: verify (it is broken)',
    'verify',
    { url: world.publicUrl, checks: app.brokenChecks },
    { expected: 'fails' },
  );
  await stages.run('v3: roll back', 'rollback', { reason: 'v3 failed verification' });
  await stages.run('v2 again: verify', 'verify', { url: world.publicUrl, checks: app.checks });

  const served = await load.stop();
  printTable(stages, served, world);
  if (served.dropped > 0) process.exitCode = 1;
} catch (error) {
  console.error(`\ndemo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await world.close();
}
