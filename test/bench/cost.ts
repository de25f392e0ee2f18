/** What a switch costs among N registered apps: our own time, and what is asked of Redis. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProxyConfig } from '@cd-actions/shared/delivery/ports';
import { type DeploymentId, deploymentId } from '@cd-actions/shared/domain/names';
import { planFile } from '@cd-actions/shared/nginx/plan-file';
import { render, type Settings } from '@cd-actions/shared/nginx/render';
import { aHolder, anEvent, aRelease, aTraffic } from '../support/records.ts';
import { containerDeployment, type Ours } from './ours.ts';
import { goFirst, shell } from './shell.ts';

export interface Cost {
  readonly apps: number;
  /** Milliseconds of a whole switch without a reload: lease, journal, activation, commit, end. One per switch. */
  readonly switches: readonly number[];
  /** The same with a reload, of which Nginx's test and reload are the greater part. */
  readonly reloads: readonly number[];
  /** Commands that Redis counted, per switch without a reload. */
  readonly commands: number;
  readonly byCommand: Readonly<Record<string, number>>;
}

const ROOT = '/etc/nginx/cd-actions';

/** Switches take turns between the deployments, so that all see the same machine. */
export async function cost(sizes: readonly number[], rounds: number, reloads = 4): Promise<readonly Cost[]> {
  const deployments: Ours[] = [];
  try {
    for (const size of sizes) {
      const ours = await containerDeployment();
      deployments.push(ours);
      await addApps(ours, size - 1);
    }
    await goFirst(deployments.map((ours) => ours.world.at.nginx));
    const costs = sizes.map((apps) => ({ apps, switches: [] as number[], reloads: [] as number[] }));
    const flip = async (ours: Ours, round: number, activation: 'auto' | 'reload'): Promise<number> => {
      const begun = performance.now();
      await ours.flip(round % 2 === 0 ? 'v2' : 'v1', { choosable: true, activation });
      return performance.now() - begun;
    };
    for (const [index, ours] of deployments.entries()) {
      for (const round of [0, 1]) await flip(ours, round, 'auto');
      for (let round = 0; round < reloads; round += 1) costs[index]?.reloads.push(await flip(ours, round, 'reload'));
      if (reloads > 0) await new Promise((resolve) => setTimeout(resolve, 6000 / deployments.length));
    }
    for (const ours of deployments) await ours.world.redis.command('CONFIG', 'RESETSTAT');
    for (let round = 0; round < rounds; round += 1)
      for (const [index, ours] of deployments.entries()) costs[index]?.switches.push(await flip(ours, round, 'auto'));
    return await Promise.all(
      costs.map(async (each, index) => ({ ...each, ...(await commands(deployments[index] as Ours, rounds)) })),
    );
  } finally {
    for (const ours of deployments) await ours.close();
  }
}

/** Commands that clients send while they connect, or that this count itself takes, are left out. */
async function commands(ours: Ours, switches: number): Promise<Pick<Cost, 'commands' | 'byCommand'>> {
  const stats = String(await ours.world.redis.command('INFO', 'commandstats'));
  const counted = [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(
    ([, name = '', calls]) => [name, Number(calls)] as const,
  );
  // What a script calls inside Redis is counted as well, and takes no round trip.
  const sent = counted.filter(([name]) => /^(evalsha|eval|script|get|set|hgetall|xrevrange|smembers)/.test(name));
  const scripts = sent.filter(([name]) => /^(evalsha|eval|script)/.test(name));
  const total = scripts.reduce((sum, [, calls]) => sum + calls, 0);
  return {
    commands: total / switches,
    byCommand: Object.fromEntries(counted.map(([name, calls]) => [name, calls / switches])),
  };
}

/** Other apps, as if they had been delivered: their files in Nginx, loaded; their records in the registry. They share our instances. */
export async function addApps(ours: Ours, count: number): Promise<void> {
  if (count === 0) return;
  const { ctx, world } = ours;
  const settings = JSON.parse(await shell('docker', ['exec', world.at.nginx, 'cat', `${ROOT}/base.json`]))
    .settings as Settings;
  const own = await ctx.fleet.proxies[0]?.lastKnownGood(ctx.id);
  if (!own) throw new Error('nothing is live');
  const directory = mkdtempSync(join(tmpdir(), 'cd-bench-apps-'));
  try {
    for (const each of ['apps', 'plans', 'servers', 'members']) mkdirSync(join(directory, each));
    for (let index = 1; index <= count; index += 1) {
      const id = deploymentId(`app-${index}`, 'production');
      const route = { ...own.route, serverName: [`app-${index}.example`] };
      writeApp(directory, { ...own, id, generation: 1, route }, settings);
      await record(ours, id);
    }
    await shell('docker', ['cp', `${directory}/.`, `${world.at.nginx}:${ROOT}`]);
    await shell('docker', ['exec', world.at.nginx, 'nginx', '-c', `${ROOT}/nginx.conf`, '-t']);
    await shell('docker', ['exec', world.at.nginx, 'nginx', '-c', `${ROOT}/nginx.conf`, '-s', 'reload']);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function writeApp(directory: string, config: ProxyConfig, settings: Settings): void {
  const { id } = config;
  const token = `1-${'0'.repeat(12)}`;
  const { files, servers, structure, pools } = render(config, settings, { token, lingering: [], fallback: '' });
  const home = join(directory, 'generations', id, token);
  mkdirSync(join(home, 'locations'), { recursive: true });
  for (const [name, text] of files) writeFileSync(join(home, name), text);
  const about = {
    format: 1,
    token,
    structure,
    instant: settings.instant,
    config,
    servers: [...servers.keys()],
    pools,
    introduced: [],
  };
  writeFileSync(join(home, 'config.json'), JSON.stringify(about));
  writeFileSync(join(directory, 'plans', `${id}.json`), JSON.stringify(planFile(id, 1, config.plan)));
  for (const [key, text] of servers) {
    writeFileSync(join(directory, 'servers', `${key}.conf`), text);
    mkdirSync(join(directory, 'members', key), { recursive: true });
    symlinkSync(`../../apps/${id}`, join(directory, 'members', key, id));
  }
  symlinkSync(`../generations/${id}/${token}`, join(directory, 'apps', id));
}

async function record({ ctx }: Ours, id: DeploymentId): Promise<void> {
  const taken = await ctx.registry.acquire(id, aHolder('fill'), 60_000);
  if ('heldBy' in taken) throw new Error('held');
  const releases = [aRelease('v1', 1), aRelease('v2', 2)];
  await ctx.registry.write(id, taken.lease, { releases, traffic: aTraffic(1, 'v1'), events: [anEvent('v1')] });
  await ctx.registry.release(id, taken.lease);
}
