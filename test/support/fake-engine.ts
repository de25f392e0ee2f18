import { randomBytes } from 'node:crypto';
import type { Diagnosis, Engine, FoundInstance, ImageFacts } from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import type { Instance, InstanceSpec, Release } from '@cd-actions/shared/domain/release';

/** A container of the fake. `address` changes when it is started again, as on a real engine it may. */
export interface FakeContainer {
  readonly instance: Instance;
  readonly id: DeploymentId;
  readonly release: Release;
  readonly index: number;
  readonly secrets: Readonly<Record<string, string>>;
  readonly running: boolean;
}

type Operation = 'sweep' | 'image' | 'start' | 'restart' | 'stop' | 'remove' | 'find' | 'diagnose' | 'runOnce';

/**
 * An engine in memory, held to the behaviour of the real one by the engine conformance suite. `failNext` scripts a failure; `calls` says
 * what was asked, in order.
 */
export class FakeEngine implements Engine {
  readonly host: string;
  readonly images = new Map<string, ImageFacts>();
  readonly containers = new Map<string, FakeContainer>();
  readonly calls: string[] = [];
  /** What `diagnose` shows as the log. */
  logs = '';
  /** What a one-off command does. */
  once: (command: readonly string[], signal: AbortSignal) => Promise<{ exitCode: number; output: string }> =
    async () => ({
      exitCode: 0,
      output: '',
    });
  closed = false;
  readonly #failures = new Map<Operation, { after: number; error: Error }>();
  #next = 1;

  constructor(host = 'local') {
    this.host = host;
  }

  /** The next call of `operation` fails, or the one after `after` further calls. */
  failNext(operation: Operation, error: Error, after = 0): void {
    this.#failures.set(operation, { after, error });
  }

  addImage(reference: string, facts: Partial<ImageFacts> = {}): ImageFacts {
    const id = `sha256:${randomBytes(32).toString('hex')}`;
    const image = { id, digest: '', created: '2030-01-01T00:00:00Z', labels: {}, ...facts };
    this.images.set(reference, image);
    this.images.set(image.id, image);
    return image;
  }

  async image(reference: string): Promise<ImageFacts> {
    this.#call('image', reference);
    const found = this.images.get(reference);
    if (!found)
      throw new UserError(`Docker on ${this.host} could not pull ${reference}: not found.`, 'Check the name.');
    return found;
  }

  async start(
    id: DeploymentId,
    release: Release,
    index: number,
    secrets: Readonly<Record<string, string>>,
  ): Promise<Instance> {
    this.#call('start', `${id} ${release.version} ${index}`);
    if (![...this.images.values()].some((image) => image.id === release.imageId))
      throw new UserError(`Docker on ${this.host} could not create a container of ${release.imageId}: no such image.`);
    const missing = release.spec.secretEnv.filter((name) => !Object.hasOwn(secrets, name));
    if (missing.length > 0)
      throw new UserError(`The values of these secrets are not known here: ${missing.join(', ')}.`);
    const name = `${id.replace('@', '-')}-${release.version}-${index}-${randomBytes(2).toString('hex')}`;
    const instance = {
      id: randomBytes(32).toString('hex'),
      name,
      host: this.host,
      address: this.#address(),
      port: release.spec.port,
    };
    this.containers.set(instance.id, { instance, id, release, index, secrets, running: true });
    return instance;
  }

  async restart(instance: Instance): Promise<Instance> {
    this.#call('restart', instance.name);
    const container = this.containers.get(instance.id);
    if (!container)
      throw new UserError(`Docker on ${this.host} could not start ${instance.name} again: no such container.`);
    const again = container.running ? container.instance : { ...container.instance, address: this.#address() };
    this.containers.set(instance.id, { ...container, instance: again, running: true });
    return again;
  }

  async stop(instance: Instance, timeout: number): Promise<void> {
    this.#call('stop', `${instance.name} ${timeout}`);
    this.kill(instance);
  }

  async remove(instance: Instance, timeout: number): Promise<void> {
    this.#call('remove', `${instance.name} ${timeout}`);
    this.containers.delete(instance.id);
  }

  async find(id: DeploymentId): Promise<readonly FoundInstance[]> {
    this.#call('find', id);
    return [...this.containers.values()]
      .filter((container) => container.id === id)
      .map((container) => ({
        instance: { ...container.instance, address: container.running ? container.instance.address : '' },
        id,
        version: container.release.version,
        running: container.running,
        release: { ...container.release, instances: [] },
      }));
  }

  async diagnose(instance: Instance): Promise<Diagnosis> {
    this.#call('diagnose', instance.name);
    const container = this.containers.get(instance.id);
    const base = { name: instance.name, restarts: 0, outOfMemory: false };
    if (!container) return { ...base, state: 'removed', exitCode: null, logs: '' };
    if (container.running) return { ...base, state: 'running', exitCode: null, logs: this.logs };
    return { ...base, state: 'exited', exitCode: 0, logs: this.logs };
  }

  async runOnce(
    id: DeploymentId,
    _spec: InstanceSpec,
    command: readonly string[],
    _secrets: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ exitCode: number; output: string }> {
    this.#call('runOnce', `${id} ${command.join(' ')}`);
    signal.throwIfAborted();
    return this.once(command, signal);
  }

  async sweep(id: DeploymentId): Promise<void> {
    this.#call('sweep', id);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  /** As if the container had died by itself. */
  kill(instance: Instance): void {
    const container = this.containers.get(instance.id);
    if (container) this.containers.set(instance.id, { ...container, running: false });
  }

  #address(): string {
    const n = this.#next++;
    return `10.99.${Math.floor(n / 250)}.${(n % 250) + 2}`;
  }

  #call(operation: Operation, detail: string): void {
    this.calls.push(`${operation} ${detail}`);
    const failure = this.#failures.get(operation);
    if (!failure) return;
    if (failure.after > 0) {
      this.#failures.set(operation, { ...failure, after: failure.after - 1 });
      return;
    }
    this.#failures.delete(operation);
    throw failure.error;
  }
}
