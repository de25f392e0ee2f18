/** `npm run bench`: everything in one run; one part with `npm run bench -- PART ...` (switches, comparison, throughput, cost, rollback). */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join, resolve } from 'node:path';
import { parts } from '../support/parts.ts';
import { compare } from './comparison.ts';
import { cost } from './cost.ts';
import { containerDeployment, hostDeployment, type Ours } from './ours.ts';
import { type Results, report } from './report.ts';
import { goFirst, shell } from './shell.ts';
import { handWritten, KAMAL, kamalProxy, oursAs, type Subject } from './subjects.ts';
import { throughput } from './throughput.ts';
import { warmRollback } from './warm-rollback.ts';
import { hundredSwitches } from './workload.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PARTS = ['switches', 'comparison', 'throughput', 'cost', 'rollback'] as const;
const chosen = process.argv.slice(2);
const wants = (part: (typeof PARTS)[number]): boolean => chosen.length === 0 || chosen.includes(part);

const WRK = found('wrk');
const LOAD = { clients: 64, pause: 20, rate: 250, wrk: WRK ? 16 : 0 };
const SAID = `64 clients that keep a connection, POST, and never repeat a request; 250 + 50 requests a second on kept and fresh connections${WRK ? '; `wrk` on 16 kept connections' : ''}`;

function found(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function say(words: string): void {
  process.stderr.write(`bench: ${words}\n`);
}

/** kamal-proxy by Go's own installer, where there is Go; the reason when it cannot be had. */
async function findKamal(): Promise<string | null> {
  if (existsSync(KAMAL)) return null;
  if (!found('go')) return 'kamal-proxy, for there is no Go on this machine to build it with';
  say('building kamal-proxy');
  const env = { ...process.env, GOBIN: join(ROOT, '.cache/go/bin') };
  try {
    execFileSync('go', ['install', 'github.com/basecamp/kamal-proxy/cmd/kamal-proxy@latest'], {
      env,
      stdio: 'pipe',
      timeout: 240_000,
    });
    return null;
  } catch (error) {
    return `kamal-proxy, for it cannot be built: ${
      String((error as { stderr?: unknown }).stderr ?? error)
        .trim()
        .split('\n')[0]
    }`;
  }
}

/** Names of the containers on a network of the bench's own. */
async function containersOn(network: string): Promise<readonly string[]> {
  return (await shell('docker', ['ps', '--filter', `network=${network}`, '--format', '{{.Names}}']))
    .split('\n')
    .filter(Boolean);
}

async function comparison(ours: Ours, host: Ours): Promise<Results['comparison']> {
  const [v1, v2] = [await ours.server('v1'), await ours.server('v2')];
  const mark = randomBytes(3).toString('hex');
  const place = { network: ours.world.at.network, image: parts.images?.nginx ?? '', servers: { v1, v2 }, mark };
  const subjects: Subject[] = [
    oursAs('cd-actions', ours, 'auto'),
    oursAs('cd-actions, `activation: reload`', ours, 'reload'),
  ];
  try {
    subjects.push(await handWritten(place));
    subjects.push(oursAs(`cd-actions on Debian's Nginx ${parts.nginx?.version}`, host, 'auto'));
    const kamal = await kamalProxy(place);
    if (kamal) subjects.push(kamal);
    await goFirst(await containersOn(place.network));
    return await compare(subjects, { ...LOAD, control: ours.control }, { rounds: 2, flips: 6 });
  } finally {
    for (const subject of subjects) await subject.close();
  }
}

async function withDeployments(): Promise<Pick<Results, 'switches' | 'comparison' | 'throughput'>> {
  const ours = await containerDeployment();
  try {
    await goFirst(await containersOn(ours.world.at.network));
    if (wants('switches')) say('a hundred switches under load');
    const switches = wants('switches') ? { switches: await hundredSwitches(ours, LOAD) } : {};
    if (wants('throughput')) say('throughput');
    const mark = randomBytes(3).toString('hex');
    const through =
      wants('throughput') && WRK ? { throughput: await throughput(ours.world.at.network, mark, 10, 1) } : {};
    if (!wants('comparison')) return { ...switches, ...through };
    say('the same flips by others');
    const host = await hostDeployment();
    try {
      return { ...switches, ...through, comparison: (await comparison(ours, host)) ?? [] };
    } finally {
      await host.close();
    }
  } finally {
    await ours.close();
  }
}

async function main(): Promise<void> {
  const unknown = chosen.filter((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown.length > 0) throw new Error(`There is no part ${unknown.join(', ')}; there are ${PARTS.join(', ')}.`);
  const leftOut: string[] = [];
  if (!WRK) leftOut.push('wrk, and the throughput that it measures, for it is not on this machine');
  const noKamal = wants('comparison') || wants('throughput') ? await findKamal() : null;
  if (noKamal) leftOut.push(noKamal);
  const image = parts.images?.nginx ?? '';
  const version = await shell('docker', ['run', '--rm', '--entrypoint', 'sh', image, '-c', 'nginx -v 2>&1']);
  const moved = wants('switches') || wants('comparison') || wants('throughput') ? await withDeployments() : {};
  if (wants('cost')) say('cost among many apps');
  const costs = wants('cost') ? { cost: await cost([1, 100, 1000], 20) } : {};
  if (wants('rollback')) say('rollback to a warm version');
  const rolled = wants('rollback') ? { rollback: await warmRollback(6) } : {};
  const results: Results = {
    machine: `${os.availableParallelism()} × ${os.cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    at: new Date().toISOString().slice(0, 16).replace('T', ' '),
    nginx: { container: /nginx\/([\d.]+)/.exec(version)?.[1] ?? '1.30', host: parts.nginx?.version ?? '-' },
    load: SAID,
    ...moved,
    ...costs,
    ...rolled,
    leftOut,
  };
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  writeFileSync(join(ROOT, '.cache/bench.json'), `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(`\n${report(results)}\nAll figures: .cache/bench.json\n`);
}

await main();
