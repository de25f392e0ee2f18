import { applyChange } from '@cd-actions/shared/delivery/change';
import type { Clock, Lease, LeaseHolder, Registry, RegistryChange } from '@cd-actions/shared/delivery/ports';
import type { Deployment, HistoryEvent } from '@cd-actions/shared/domain/deployment';
import { StaleLeaseError } from '@cd-actions/shared/domain/errors';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import type { Evidence } from '@cd-actions/shared/domain/verdict';
import { realClock } from './clock.ts';

interface Held {
  readonly lease: Lease;
  readonly expires: number;
}

/**
 * A registry in memory, held to the behaviour of the real one by the registry conformance suite. Set `broken` to make every call fail
 * with that error, as when Redis is away.
 */
export class FakeRegistry implements Registry {
  broken: Error | null = null;
  /** Every write that was applied, oldest first. */
  readonly writes: { readonly id: DeploymentId; readonly change: RegistryChange }[] = [];
  readonly #clock: Clock;
  readonly #leases = new Map<DeploymentId, Held>();
  readonly #deployments = new Map<DeploymentId, Deployment>();
  readonly #history = new Map<DeploymentId, readonly HistoryEvent[]>();
  readonly #evidence = new Map<string, ReadonlyMap<string, Evidence>>();
  #token = 0;

  constructor(clock: Clock = realClock) {
    this.#clock = clock;
  }

  async acquire(
    id: DeploymentId,
    holder: LeaseHolder,
    ttl: number,
  ): Promise<{ lease: Lease } | { heldBy: LeaseHolder; remaining: number }> {
    this.#check();
    const held = this.#held(id);
    if (held) return { heldBy: held.lease.holder, remaining: held.expires - this.#clock.now() };
    this.#token = Math.max(this.#token + 1, this.#clock.now());
    const lease: Lease = { token: this.#token, holder: structuredClone(holder) };
    this.#leases.set(id, { lease, expires: this.#clock.now() + ttl });
    return { lease };
  }

  async renew(id: DeploymentId, lease: Lease, ttl: number): Promise<void> {
    this.#check();
    this.#fence(id, lease);
    this.#leases.set(id, { lease, expires: this.#clock.now() + ttl });
  }

  async release(id: DeploymentId, lease: Lease): Promise<void> {
    this.#check();
    if (this.#held(id)?.lease.token === lease.token) this.#leases.delete(id);
  }

  async read(id: DeploymentId): Promise<Deployment> {
    this.#check();
    return structuredClone(this.#deployments.get(id) ?? { id, releases: [], traffic: null, journal: null });
  }

  async write(id: DeploymentId, lease: Lease, change: RegistryChange): Promise<void> {
    this.#check();
    this.#fence(id, lease);
    const copy = structuredClone(change);
    this.writes.push({ id, change: copy });
    this.#deployments.set(id, applyChange(await this.read(id), copy));
    this.#history.set(id, [...(this.#history.get(id) ?? []), ...(copy.events ?? [])].slice(-1000));
  }

  async history(id: DeploymentId, count: number): Promise<readonly HistoryEvent[]> {
    this.#check();
    return structuredClone((this.#history.get(id) ?? []).toReversed().slice(0, count));
  }

  async putEvidence(image: string, evidence: Evidence): Promise<void> {
    this.#check();
    this.#evidence.set(image, new Map(this.#evidence.get(image)).set(evidence.gate, structuredClone(evidence)));
  }

  async evidence(image: string): Promise<readonly Evidence[]> {
    this.#check();
    const all = [...(this.#evidence.get(image)?.values() ?? [])];
    return structuredClone(all.sort((a, b) => (a.gate < b.gate ? -1 : 1)));
  }

  async deployments(): Promise<readonly DeploymentId[]> {
    this.#check();
    return [...this.#deployments.keys()].sort();
  }

  async close(): Promise<void> {}

  /** Loses everything but the lease counter, as a flushed Redis does. */
  flush(): void {
    for (const store of [this.#leases, this.#deployments, this.#history, this.#evidence]) store.clear();
  }

  #held(id: DeploymentId): Held | undefined {
    const held = this.#leases.get(id);
    return held && held.expires > this.#clock.now() ? held : undefined;
  }

  #fence(id: DeploymentId, lease: Lease): void {
    if (this.#held(id)?.lease.token !== lease.token)
      throw new StaleLeaseError(`The lease of ${id} was lost. Nothing was written.`);
  }

  #check(): void {
    if (this.broken) throw this.broken;
  }
}
