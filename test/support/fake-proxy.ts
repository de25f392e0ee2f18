import { createHash } from 'node:crypto';
import type {
  Pool,
  ProxyCapabilities,
  ProxyConfig,
  Proxy as ProxyPort,
  ProxyState,
  StagedConfig,
} from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import type { Instance } from '@cd-actions/shared/domain/release';
import { admit } from '@cd-actions/shared/nginx/admit';

type Step = 'prepare' | 'state' | 'lastKnownGood' | 'stage' | 'activate' | 'forget' | 'connections' | 'probe';

/** An Nginx in memory. Held to the behaviour of the real ones by `test/integration/nginx-conformance.test.ts`. */
export class FakeProxy implements ProxyPort {
  readonly name: string;
  /** Connections that are still open, by version. */
  readonly open = new Map<string, number>();
  /** What a probe answers, by `address:port`; 200 when not set. */
  readonly answers = new Map<string, number>();
  /** Every activation that was taken over, in order. */
  readonly activations: { readonly id: DeploymentId; readonly generation: number; readonly how: string }[] = [];
  readonly #capabilities: ProxyCapabilities;
  readonly #live = new Map<DeploymentId, ProxyConfig>();
  readonly #staged = new Map<string, StagedConfig>();
  readonly #failures = new Map<Step, Error>();
  #prepared = false;
  #count = 0;

  constructor(options: { name?: string; instant?: boolean; gracefulReload?: boolean } = {}) {
    this.name = options.name ?? 'local';
    const { instant = true, gracefulReload = true } = options;
    this.#capabilities = { version: gracefulReload ? '1.30.0' : '1.22.1', instant, gracefulReload };
  }

  /** The next call of `step` throws. */
  failNext(step: Step, error: Error): void {
    this.#failures.set(step, error);
  }

  reaches(instance: Instance): boolean {
    return instance.host === this.name;
  }

  async prepare(): Promise<ProxyCapabilities> {
    this.#fail('prepare');
    this.#prepared = true;
    return this.#capabilities;
  }

  async capabilities(): Promise<ProxyCapabilities> {
    this.#needPrepared();
    return this.#capabilities;
  }

  async state(id: DeploymentId): Promise<ProxyState | null> {
    this.#fail('state');
    const config = this.#live.get(id);
    return config ? { generation: config.generation, structure: this.#structure(config) } : null;
  }

  async lastKnownGood(id: DeploymentId): Promise<ProxyConfig | null> {
    this.#fail('lastKnownGood');
    return this.#live.get(id) ?? null;
  }

  async stage(config: ProxyConfig): Promise<StagedConfig> {
    this.#needPrepared();
    this.#fail('stage');
    admit(config);
    const live = this.#live.get(config.id);
    const text = textOf(config);
    const before = live ? textOf(live) : '';
    const staged: StagedConfig = {
      config,
      text,
      diff: text === before ? '' : `--- a\n+++ b\n-${before}\n+${text}\n`,
      needsReload: !live || this.#structure(live) !== this.#structure(config),
      live: live ?? null,
      drift: [],
      token: `${config.generation}-${++this.#count}`,
    };
    this.#staged.set(staged.token, staged);
    return staged;
  }

  async activate(
    staged: StagedConfig,
    mode: 'auto' | 'instant' | 'reload',
    signal: AbortSignal,
  ): Promise<{ how: 'instant' | 'reload' | 'nothing'; milliseconds: number }> {
    if (!this.#staged.has(staged.token)) throw new Error(`the configuration ${staged.token} is not staged here`);
    signal.throwIfAborted();
    if (mode === 'instant' && !this.#capabilities.instant) throw new UserError('This Nginx has no njs.');
    if (mode === 'instant' && staged.needsReload) throw new UserError('The releases change, which takes a reload.');
    this.#fail('activate');
    const { config } = staged;
    const live = this.#live.get(config.id);
    const same = live?.generation === config.generation && staged.diff === '';
    const reload = staged.needsReload || mode === 'reload' || !this.#capabilities.instant;
    const how = same && mode !== 'reload' ? 'nothing' : reload ? 'reload' : 'instant';
    this.#live.set(config.id, config);
    this.#staged.delete(staged.token);
    this.activations.push({ id: config.id, generation: config.generation, how });
    return { how, milliseconds: 1 };
  }

  async discard(staged: StagedConfig): Promise<void> {
    this.#staged.delete(staged.token);
  }

  async forget(id: DeploymentId): Promise<void> {
    this.#fail('forget');
    this.#live.delete(id);
  }

  async connections(pool: Pool): Promise<number | null> {
    this.#fail('connections');
    return this.open.get(pool.version) ?? 0;
  }

  async served(): Promise<null> {
    return null;
  }

  async probe(
    address: string,
    port: number,
    _path: string,
    _timeout: number,
  ): Promise<{ status: number; error: string; milliseconds: number }> {
    this.#fail('probe');
    const status = this.answers.get(`${address}:${port}`) ?? 200;
    return { status, error: status === 0 ? 'no answer' : '', milliseconds: 1 };
  }

  async close(): Promise<void> {}

  #needPrepared(): void {
    if (!this.#prepared) throw new UserError(`Nginx on ${this.name} is not prepared.`, 'Run prepare-host first.');
  }

  #structure(config: ProxyConfig): string {
    const loaded = [config.route, config.pools, this.#capabilities.instant ? null : [config.generation, config.plan]];
    return createHash('sha256').update(JSON.stringify(loaded)).digest('hex').slice(0, 16);
  }

  #fail(step: Step): void {
    const error = this.#failures.get(step);
    this.#failures.delete(step);
    if (error) throw error;
  }
}

function textOf({ route, plan, pools }: ProxyConfig): string {
  return JSON.stringify({ route, plan, pools });
}
