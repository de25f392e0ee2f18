import { randomUUID } from 'node:crypto';
import type { Lease, LeaseHolder, Registry, RegistryChange } from '../delivery/ports.ts';
import type { Deployment, HistoryEvent } from '../domain/deployment.ts';
import { StaleLeaseError, UserError } from '../domain/errors.ts';
import type { DeploymentId } from '../domain/names.ts';
import { parseRedisUrl } from '../domain/redis-url.ts';
import type { Release } from '../domain/release.ts';
import type { Evidence } from '../domain/verdict.ts';
import { decode, encode } from './codec.ts';
import { Connection } from './connection.ts';
import { DEPLOYMENTS, deploymentKeys, evidenceKey } from './keys.ts';
import * as shape from './records.ts';

/** About how many events the history of a deployment keeps: Redis trims whole blocks. */
const HISTORY = 1000;
/** Milliseconds for which evidence about an image is kept after it was last added to: 400 days. */
const EVIDENCE_TTL = 400 * 86_400_000;

export interface RedisRegistryOptions {
  /** Milliseconds until a Redis that does not come up is given up; 5,000 by default. */
  readonly connectTimeout?: number;
  /** Milliseconds until an answer is given up; 5,000 by default. */
  readonly commandTimeout?: number;
}

/**
 * The registry in Redis 6 or newer, single, behind Sentinels, or a Cluster. Connects at the first call; `close` ends the connection.
 * @throws Refused when the URL is not one (the input reader has seen to that).
 */
export function redisRegistry(url: string, options: RedisRegistryOptions = {}): Registry {
  const { connectTimeout = 5_000, commandTimeout = 5_000 } = options;
  return new RedisRegistry(new Connection(parseRedisUrl(url), { connectTimeout, commandTimeout }));
}

class RedisRegistry implements Registry {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async acquire(
    id: DeploymentId,
    holder: LeaseHolder,
    ttl: number,
  ): Promise<{ lease: Lease } | { heldBy: LeaseHolder; remaining: number }> {
    const { lease, fence } = deploymentKeys(id);
    const record = encode(holder, `the lease of ${id}`);
    // The nonce lets a request whose answer was lost be sent again without waiting for itself.
    const nonce = randomUUID();
    const answer = await this.#connection.send((redis) => redis.cdAcquire(2, lease, fence, record, ttl, nonce));
    const [token, heldBy, remaining] = answer as [string, string, number];
    return token === '' ? { heldBy: readHolder(heldBy), remaining } : { lease: { token: Number(token), holder } };
  }

  async renew(id: DeploymentId, lease: Lease, ttl: number): Promise<void> {
    const key = deploymentKeys(id).lease;
    const answer = await this.#connection.send((redis) => redis.cdRenew(1, key, lease.token, ttl));
    refuseStale(id, answer as Outcome);
  }

  async release(id: DeploymentId, lease: Lease): Promise<void> {
    const key = deploymentKeys(id).lease;
    await this.#connection.send((redis) => redis.cdFree(1, key, lease.token));
  }

  async read(id: DeploymentId): Promise<Deployment> {
    const { releases, traffic, journal } = deploymentKeys(id);
    const answer = await this.#connection.send((redis) => redis.cdRead(3, releases, traffic, journal));
    const [flat, storedTraffic, storedJournal] = answer as [readonly string[], string, string];
    return {
      id,
      releases: pairs(flat)
        .map(([version, record]) => decode(shape.release, record, `release ${version} of ${id} (${releases})`))
        .sort(newestFirst),
      traffic: storedTraffic === '' ? null : decode(shape.traffic, storedTraffic, `traffic of ${id} (${traffic})`),
      journal: storedJournal === '' ? null : decode(shape.journal, storedJournal, `journal of ${id} (${journal})`),
    };
  }

  async write(id: DeploymentId, lease: Lease, change: RegistryChange): Promise<void> {
    const keys = deploymentKeys(id);
    const own = [keys.lease, keys.releases, keys.traffic, keys.journal, keys.history];
    const args = [lease.token, randomUUID(), id, HISTORY, ...changeArguments(id, change)];
    const answer = await this.#connection.send(async (redis) => {
      if (!this.#connection.isCluster) return redis.cdWrite(6, ...own, DEPLOYMENTS, ...args);
      // In a cluster the index lies elsewhere. It is told of the deployment at the same time, and again by every write.
      const [outcome] = await Promise.all([redis.cdWrite(5, ...own, ...args), redis.sadd(DEPLOYMENTS, id)]);
      return outcome;
    });
    refuseStale(id, answer as Outcome);
  }

  async history(id: DeploymentId, count: number): Promise<readonly HistoryEvent[]> {
    const key = deploymentKeys(id).history;
    if (count < 1) return [];
    const entries = await this.#connection.send((redis) => redis.xrevrange(key, '+', '-', 'COUNT', count));
    return entries.map(([at, fields]) => decode(shape.historyEvent, fields[1] ?? '', `event ${at} of ${id} (${key})`));
  }

  async putEvidence(image: string, evidence: Evidence): Promise<void> {
    const record = encode(evidence, `the evidence of ${evidence.gate} about ${image}`);
    const key = evidenceKey(image);
    await this.#connection.send((redis) => redis.cdPutEvidence(1, key, evidence.gate, record, EVIDENCE_TTL));
  }

  async evidence(image: string): Promise<readonly Evidence[]> {
    const key = evidenceKey(image);
    const all = await this.#connection.send((redis) => redis.hgetall(key));
    return Object.entries(all)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([gate, record]) => decode(shape.evidence, record, `evidence of ${gate} about ${image} (${key})`));
  }

  async deployments(): Promise<readonly DeploymentId[]> {
    const ids = await this.#connection.send((redis) => redis.smembers(DEPLOYMENTS));
    return ids.filter((id): id is DeploymentId => /^[a-z0-9-]+@[a-z0-9-]+$/.test(id)).sort();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

type Outcome = readonly ['ok' | 'stale' | 'foreign', string];

function refuseStale(id: DeploymentId, [outcome, detail]: Outcome): void {
  if (outcome === 'ok') return;
  if (outcome === 'foreign') {
    throw new UserError(
      `The registry's key ${detail} is not of this suite, so nothing was written.`,
      'Remove it, or give the registry a Redis database of its own.',
    );
  }
  const holder = detail === '' ? undefined : readHolder(detail);
  const now = holder ? `${holder.run.actor} holds it now for ${holder.operation} (${holder.run.url})` : 'it expired';
  throw new StaleLeaseError(`The lease of ${id} was lost: ${now}. Nothing was written.`);
}

/** Whoever holds the lease is only shown: a holder that cannot be read must not keep others from waiting for its end. */
function readHolder(stored: string): LeaseHolder {
  try {
    return decode(shape.holder, stored, 'lease');
  } catch {
    const run = { actor: 'an unknown run', url: 'no address', sha: '', id: '' };
    return { run, operation: 'an operation', version: '', reason: '', since: '' };
  }
}

/** What the write script takes after the token, nonce, id and length of the history. */
function changeArguments(id: DeploymentId, change: RegistryChange): readonly string[] {
  const removed = change.removeReleases ?? [];
  const releases = change.releases ?? [];
  const events = change.events ?? [];
  return [
    record(change.traffic, `the traffic of ${id}`),
    record(change.journal, `the journal of ${id}`),
    String(removed.length),
    ...removed,
    String(releases.length),
    ...releases.flatMap((each) => [each.version, encode(each, `release ${each.version} of ${id}`)]),
    ...events.map((each) => encode(each, `an event of ${id}`)),
  ];
}

function record(value: object | null | undefined, what: string): string {
  return value ? encode(value, what) : value === null ? '-' : '';
}

function pairs(flat: readonly string[]): readonly (readonly [string, string])[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? ''] as const] : []));
}

function newestFirst(a: Release, b: Release): number {
  return b.order - a.order || (a.version < b.version ? 1 : -1);
}
