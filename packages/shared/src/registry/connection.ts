import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { Cluster, ClusterOptions, RedisOptions } from 'ioredis';
import { Redis } from 'ioredis';
import { messageOf, UserError } from '../domain/errors.ts';
import { type RedisAddress, redisName } from '../domain/redis-url.ts';
import { explain, isPassing, needsNewConnection } from './failures.ts';
import { SCRIPTS, type ScriptName } from './scripts.ts';

export interface ConnectionTimes {
  /** Milliseconds until a server that does not come up is given up, all attempts together. */
  readonly connectTimeout: number;
  /** Milliseconds until an answer is given up. */
  readonly commandTimeout: number;
}

/** Anything that ioredis answers with when a script or a plain command is sent. */
type Client = (Redis | Cluster) &
  Readonly<Record<ScriptName, (...args: readonly (string | number)[]) => Promise<unknown>>>;

const CLOSED = 'The connection to the registry is closed.';
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 500;

/**
 * One connection to the registry, opened at the first command. ioredis neither queues nor reconnects by itself here: `send` does, for a
 * bounded time, so that nothing waits unseen and the process can end. What is sent must be safe to send twice.
 */
export class Connection {
  readonly isCluster: boolean;
  readonly #address: RedisAddress;
  readonly #times: ConnectionTimes;
  #client: Client | undefined;
  #opening: Promise<Client> | undefined;
  #lastError: Error | undefined;
  #closed = false;

  constructor(address: RedisAddress, times: ConnectionTimes) {
    this.#address = address;
    this.#times = times;
    this.isCluster = address.kind === 'cluster';
  }

  /**
   * Sends, and sends again after a cut or while the server starts, until it has been tried for `connectTimeout`.
   * @throws UserError or UnavailableError naming the server, the cause and the remedy.
   */
  async send<T>(command: (client: Client) => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#times.connectTimeout;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        return await command(await this.#ready());
      } catch (error) {
        if (this.#closed) throw new Error(CLOSED, { cause: error });
        if (needsNewConnection(error)) this.#client?.disconnect();
        const again = isPassing(error) || (this.#address.kind === 'sentinel' && needsNewConnection(error));
        if (!again || performance.now() + pause > deadline) throw this.#explained(error);
        await wait(pause);
      }
    }
  }

  /** Ends the connection at once, also one that is being opened. Idempotent; never fails. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    if (!client || client.status === 'end' || client.status === 'wait') return;
    await new Promise<void>((resolve) => {
      client.once('end', () => resolve());
      client.disconnect();
    });
  }

  async #ready(): Promise<Client> {
    if (this.#closed) throw new Error(CLOSED);
    if (this.#client?.status === 'ready') return this.#client;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Client> {
    this.#client ??= this.#create();
    this.#lastError = undefined;
    try {
      await this.#client.connect();
    } catch (error) {
      // ioredis tells the cause by an event, and rejects with "Connection is closed."
      throw this.#lastError ?? error;
    }
    // A SELECT that the server refused leaves ioredis on database 0, and only an event says so.
    const refused = this.#lastError as Error | undefined;
    if (refused && /DB index|SELECT is not allowed|NOPERM/.test(refused.message)) {
      this.#client.disconnect();
      throw refused;
    }
    return this.#client;
  }

  #create(): Client {
    const { nodes } = this.#address;
    const client = this.isCluster
      ? new Redis.Cluster([...nodes], clusterOptions(this.#address, this.#times))
      : new Redis(singleOptions(this.#address, this.#times));
    const remember = (error: Error): void => {
      this.#lastError = error;
    };
    client.on('error', remember).on('node error', remember);
    for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(name, { lua });
    return client as Client;
  }

  #explained(error: unknown): Error {
    const { password, sentinelPassword } = this.#address;
    return explain(
      error,
      redisName(this.#address),
      [password, sentinelPassword].filter((secret) => secret !== ''),
    );
  }
}

/** Without the one option whose type the constructors do not take back. */
type Options = Omit<RedisOptions, 'replyMapping'>;

function singleOptions(address: RedisAddress, times: ConnectionTimes): Options {
  return {
    ...commonOptions(address, times),
    ...(address.kind === 'sentinel' ? sentinelOptions(address, times) : (address.nodes[0] ?? {})),
    db: address.database,
    // A Sentinel may name a primary that is one no longer; the check asks it.
    enableReadyCheck: address.kind === 'sentinel',
    enableOfflineQueue: false,
    retryStrategy: () => null,
    lazyConnect: true,
  };
}

function sentinelOptions(address: RedisAddress, times: ConnectionTimes): Options {
  return {
    sentinels: [...address.nodes],
    name: address.primary,
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: times.commandTimeout,
    ...(address.sentinelUsername && { sentinelUsername: address.sentinelUsername }),
    ...(address.sentinelPassword && { sentinelPassword: address.sentinelPassword }),
    ...(address.tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(address) }),
  };
}

function clusterOptions(
  address: RedisAddress,
  times: ConnectionTimes,
): Omit<ClusterOptions, 'redisOptions'> & { redisOptions: Options } {
  return {
    redisOptions: commonOptions(address, times),
    clusterRetryStrategy: () => null,
    slotsRefreshTimeout: times.commandTimeout,
    enableOfflineQueue: false,
    lazyConnect: true,
    // ioredis would connect to the resolved addresses, which stand in no certificate.
    ...(address.tls && { dnsLookup: (host, done) => done(null, host) }),
  };
}

function commonOptions(address: RedisAddress, times: ConnectionTimes): Options {
  return {
    ...(address.username && { username: address.username }),
    ...(address.password && { password: address.password }),
    ...(address.tls && { tls: tlsOptions(address) }),
    connectTimeout: times.connectTimeout,
    commandTimeout: times.commandTimeout,
    disconnectTimeout: 200,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectionName: 'cd-actions',
    disableClientInfo: true,
  };
}

function tlsOptions(address: RedisAddress): ConnectionOptions {
  if (!address.tls) return {};
  const files = Object.entries({ ca: address.ca, cert: address.cert, key: address.key }).filter(
    ([, path]) => path !== '',
  );
  const options = Object.fromEntries(files.map(([option, path]) => [option, readPem(option, path)]));
  try {
    createSecureContext(options);
  } catch (error) {
    throw new UserError(
      `The certificate files of \`redis-url\` cannot be used: ${messageOf(error)}`,
      'Give PEM files, and the key that belongs to the certificate, without a passphrase.',
      { cause: error },
    );
  }
  return options;
}

function readPem(option: string, path: string): string {
  try {
    const pem = readFileSync(path, 'utf8');
    if (!pem.includes('-----BEGIN ')) throw new Error(`${path} is not in PEM form`);
    return pem;
  } catch (error) {
    throw new UserError(
      `The \`${option}\` file of \`redis-url\` cannot be read: ${messageOf(error)}`,
      'Give the absolute path of a PEM file that this step can read.',
      { cause: error },
    );
  }
}
