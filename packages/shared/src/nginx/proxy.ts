import { randomBytes } from 'node:crypto';
import type {
  Clock,
  Pool,
  ProxyCapabilities,
  ProxyConfig,
  Proxy as ProxyPort,
  ProxyState,
  Served,
  StagedConfig,
} from '../delivery/ports.ts';
import { UnavailableError, UserError } from '../domain/errors.ts';
import type { DeploymentId } from '../domain/names.ts';
import type { Instance } from '../domain/release.ts';
import { activate } from './activate.ts';
import { prepareBase } from './base.ts';
import { capabilitiesOf } from './capabilities.ts';
import { driftOf, repairLines } from './drift.ts';
import { quote } from './host.ts';
import { layout } from './layout.ts';
import { type BaseFile, type GenerationFile, lingering, liveConfig, mainPool, readLive, readScript } from './live.ts';
import { diffOf, readable } from './present.ts';
import { establishedRemotes, normalAddress, readWorkers, WORKERS } from './proc.ts';
import { reload } from './reload.ts';
import { render } from './render.ts';
import { countServed, TAIL } from './served.ts';
import type { Site } from './site.ts';
import { Refusal, testStaged } from './staging.ts';
import { leaveServer, leftServers, QUIET_MS, type Work } from './work.ts';

const NOTHING = { token: '', lingering: [], fallback: '' };

/** One Nginx, whatever it runs in. */
export class NginxProxy implements ProxyPort {
  readonly name: string;
  readonly #site: Site;
  readonly #clock: Clock;
  readonly #work = new Map<string, Work>();
  /** When each old worker was first seen to leave. */
  readonly #leaving = new Map<number, number>();

  constructor(site: Site, clock: Clock) {
    this.name = site.name;
    this.#site = site;
    this.#clock = clock;
  }

  reaches(instance: Instance): boolean {
    return this.#site.reaches(instance);
  }

  async prepare(): Promise<ProxyCapabilities> {
    return prepareBase(this.#site, this.#clock);
  }

  async capabilities(): Promise<ProxyCapabilities> {
    const { base, runningVersion } = await this.#read(null);
    return this.#usable(base, runningVersion);
  }

  async state(id: DeploymentId): Promise<ProxyState | null> {
    const answer = await this.#site.host.admin({ method: 'GET', path: `/apps/${id}` });
    if (answer.status === 404) return null;
    if (answer.status !== 200)
      throw new UnavailableError(
        'Nginx',
        `Nginx on ${this.name} does not answer (${answer.status || 'no connection'}).`,
      );
    const { generation, structure } = JSON.parse(answer.body) as ProxyState;
    return { generation, structure };
  }

  async lastKnownGood(id: DeploymentId): Promise<ProxyConfig | null> {
    const { live } = await this.#read(id);
    return live ? liveConfig(live) : null;
  }

  async stage(config: ProxyConfig): Promise<StagedConfig> {
    await this.#site.checkRoute(config.route);
    const { base, live, runningVersion, baseChanged, link, planText } = await this.#read(config.id);
    this.#usable(base, runningVersion);
    const { settings } = base as BaseFile;
    const drift = driftOf(live, settings, baseChanged);
    const token = `${config.generation}-${randomBytes(6).toString('hex')}`;
    const standing = { lingering: lingering(live, config), fallback: mainPool(live ? liveConfig(live) : config) };
    const rendered = render(config, settings, { ...standing, token });
    const needsReload = live?.generation.structure !== rendered.structure || drift.files.length > 0;
    const liveServers = live ? render(liveConfig(live), settings, NOTHING).servers : new Map<string, string>();
    const diff = diffOf(config, rendered, live, liveServers);
    const found = [...drift.files, ...drift.plan];
    const staged: StagedConfig = {
      config,
      token,
      needsReload,
      diff,
      text: readable(config, rendered),
      live: live && liveConfig(live),
      drift: found,
    };
    const work: Work = { staged, rendered, standing, live, liveServers, link, planText, settings, written: false };
    if (needsReload) found.push(...(await this.#writeAmongOthers(work)));
    this.#work.set(token, work);
    return staged;
  }

  /** Files of another app that were broken by hand since keep nobody from a reload: they are written again as they were. */
  async #writeAmongOthers(work: Work): Promise<readonly string[]> {
    try {
      await this.write(work);
      return [];
    } catch (error) {
      if (!(error instanceof Refusal) || error.culprit === null || error.culprit === work.staged.config.id) throw error;
      const { live } = await this.#read(error.culprit as DeploymentId);
      const { files } = driftOf(live, work.settings, false);
      if (live === null || files.length === 0) throw error;
      await this.#site.host.run(repairLines(this.#site.root, live, work.settings));
      await this.write(work);
      return files;
    }
  }

  /** Writes the generation of a staged configuration where it will live, and tests the whole with it. */
  async write(work: Work): Promise<void> {
    const { config, token } = work.staged;
    const known = new Set(work.live?.generation.pools ?? []);
    const record: GenerationFile = {
      format: 1,
      token,
      structure: work.rendered.structure,
      instant: work.settings.instant,
      config,
      servers: [...work.rendered.servers.keys()],
      pools: work.rendered.pools,
      introduced: work.live ? work.rendered.pools.filter((pool) => !known.has(pool)) : [],
      standing: work.standing,
    };
    const { rendered } = work;
    const app = { id: config.id, token, rendered, left: leftServers(work), record: JSON.stringify(record, null, 2) };
    try {
      const main = await this.#site.stagedMain(layout(this.#site.root).staging(token));
      await testStaged(this.#site.host, this.#site.root, token, this.#site.command, main, { app });
    } catch (error) {
      await this.#remove(config.id, token);
      throw error;
    }
    work.written = true;
  }

  async activate(
    staged: StagedConfig,
    mode: 'auto' | 'instant' | 'reload',
    signal: AbortSignal,
  ): Promise<{ how: 'instant' | 'reload' | 'nothing'; milliseconds: number }> {
    const work = this.#work.get(staged.token);
    if (!work) throw new Error(`the configuration ${staged.token} is not staged here`);
    signal.throwIfAborted();
    const began = performance.now();
    if (mode === 'instant' && !work.settings.instant)
      throw new UserError(
        `Nginx on ${this.name} has no njs >= 0.8, so that traffic cannot be moved without a reload.`,
        'Install the njs module, or set `activation: auto`.',
      );
    if (mode === 'instant' && staged.needsReload)
      throw new UserError(
        'The route or the releases change, which takes a reload.',
        'Set `activation: auto`; the reload drops no request on Nginx >= 1.27.4.',
      );
    const how = await activate(this.#site, this.#clock, this, work, mode === 'reload');
    this.#work.delete(staged.token);
    return { how, milliseconds: Math.round(performance.now() - began) };
  }

  async discard(staged: StagedConfig): Promise<void> {
    const work = this.#work.get(staged.token);
    this.#work.delete(staged.token);
    if (work?.written) await this.#remove(staged.config.id, staged.token);
  }

  async forget(id: DeploymentId): Promise<void> {
    const at = layout(this.#site.root);
    const { live } = await this.#read(id);
    const gone = { path: `/apps/${id}`, accepts: (status: number) => status === 404 };
    if (live) {
      const servers = live.generation.servers.map((key) => leaveServer(this.#site.root, key, id)).join('\n');
      await reload(this.#site, this.#clock, `rm -f ${quote(at.app(id))}\n${servers}`, gone);
    }
    await this.#site.host.admin({
      method: 'DELETE',
      path: `/apps/${id}`,
      script: `rm -rf ${quote(at.plan(id))} ${quote(at.generations(id))}\n`,
    });
  }

  async connections(pool: Pool): Promise<number | null> {
    const ran = await this.#site.host.run(
      `${WORKERS}cat /proc/net/tcp || exit 1\ncat /proc/net/tcp6 2>/dev/null\necho '----'\nworkers ${this.#site.master}\n`,
    );
    if (ran.code !== 0) return null;
    const [tables = '', processes = ''] = ran.stdout.split('----\n');
    const servers = new Set(pool.servers.map(({ address, port }) => `${normalAddress(address)}:${port}`));
    const open = establishedRemotes(tables).filter((remote) => servers.has(remote)).length;
    return open + this.#quiet(readWorkers(processes));
  }

  async served(id: DeploymentId, versions: readonly string[], lasted: number): Promise<Served | null> {
    const { base } = await this.#read(null);
    const log = await this.#site.accessTail(TAIL, base?.settings.accessLog ?? 'off');
    if (log === null) return null;
    // Its clock is asked only for whole seconds: one that differs by less is the same clock.
    const ahead = Number((await this.#site.host.run('date +%s\n')).stdout) * 1000 - this.#clock.now();
    const skew = Math.abs(ahead) < 2000 ? 0 : ahead;
    return countServed(log, id, versions, this.#clock.now() + skew - lasted);
  }

  probe(
    address: string,
    port: number,
    path: string,
    timeout: number,
  ): Promise<{ status: number; error: string; milliseconds: number }> {
    return this.#site.host.probe(address, port, path, timeout);
  }

  close(): Promise<void> {
    return this.#site.host.close();
  }

  /** Old workers that may still hold a quiet client connection. Later than that they only finish what they have, which has a connection of its own. */
  #quiet(workers: readonly { pid: number; kind: string }[]): number {
    const now = this.#clock.now();
    const leaving = workers.filter(({ kind }) => kind === 'leaving').map(({ pid }) => pid);
    for (const pid of this.#leaving.keys()) if (!leaving.includes(pid)) this.#leaving.delete(pid);
    for (const pid of leaving) if (!this.#leaving.has(pid)) this.#leaving.set(pid, now);
    return [...this.#leaving.values()].filter((since) => now - since < QUIET_MS).length;
  }

  async #read(id: DeploymentId | null): Promise<ReturnType<typeof readLive>> {
    return readLive((await this.#site.host.run(readScript(this.#site.root, id, this.#site.command))).stdout);
  }

  #usable(base: BaseFile | null, runningVersion: string): ProxyCapabilities {
    if (base?.format !== 1 || base.version !== runningVersion)
      throw new UserError(
        base
          ? `Nginx on ${this.name} is ${runningVersion} now, and was prepared as ${base.version}.`
          : `Nginx on ${this.name} is not prepared.`,
        'Run prepare-host first.',
      );
    return capabilitiesOf(base.version, base.instant);
  }

  async #remove(id: DeploymentId, token: string): Promise<void> {
    const at = layout(this.#site.root);
    const live = `[ "$(readlink ${quote(at.app(id))} 2>/dev/null)" = ${quote(`../generations/${id}/${token}`)} ]`;
    await this.#site.host.run(`${live} || rm -rf ${quote(at.generation(id, token))}\n`);
  }
}
