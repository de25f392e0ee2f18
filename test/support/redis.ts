import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { parts } from './parts.ts';

/** A Redis server of a test's own. */
export interface RedisServer {
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  /** One command as an administrator, over a connection of its own. */
  command(name: string, ...args: readonly (string | number)[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** One that runs as a child process and can be mistreated. */
export interface LocalRedis extends RedisServer {
  /** Its data and other files; gone after `stop`. */
  readonly directory: string;
  /** SIGKILL, as when a machine loses power. */
  kill(): Promise<void>;
  /** Starts it again on the same port and directory. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stand, nothing answers. */
  pause(): void;
  resume(): void;
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const START_LIMIT = 10_000;
const READY = /Ready to accept connections|Sentinel ID is/;

/**
 * Runs `redis-server` on a free port of the loopback, in memory only unless `args` say otherwise, and waits until it serves.
 * `config` is a configuration file, which a Sentinel needs.
 */
export async function startRedis(args: readonly string[] = [], options: { config?: string } = {}): Promise<LocalRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'cd-redis-'));
  const port = await freePort();
  const config = options.config === undefined ? [] : [options.config];
  const base = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory];
  const save = options.config === undefined ? ['--save', ''] : [];
  const start = (): Promise<ChildProcess> => launch([...config, ...base, ...save, ...args]);
  let child = await start();
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    directory,
    command: (name, ...rest) => commandOn(port, name, rest),
    kill: end,
    restart: async () => {
      child = await start();
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: async () => {
      await end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function launch(args: readonly string[]): Promise<ChildProcess> {
  if (!parts.redis) throw new Error('There is no redis-server on this machine.');
  const child = spawn(parts.redis.server, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const limit = Date.now() + START_LIMIT;
  while (!READY.test(output)) {
    if (child.exitCode !== null || Date.now() > limit) {
      child.kill('SIGKILL');
      throw new Error(`redis-server did not start:\n${output}`);
    }
    await wait(20);
  }
  return child;
}

/** An engine's image of a Redis, when it was made: `cd-actions-test/redis:8`. Nothing is pulled. */
export function redisImage(tag: string): string | undefined {
  if (!parts.docker) return undefined;
  try {
    execFileSync('docker', ['image', 'inspect', tag], { stdio: 'ignore' });
    return tag;
  } catch {
    return undefined;
  }
}

/** The Redis of an image, on a free port of the loopback. */
export async function startRedisContainer(image: string): Promise<RedisServer> {
  const port = await freePort();
  const name = `cd-test-redis-${process.pid}-${port}`;
  const run = ['run', '--detach', '--rm', '--network', 'host', '--name', name, '--entrypoint', 'redis-server', image];
  execFileSync('docker', [...run, '--bind', '127.0.0.1', '--port', String(port), '--save', ''], { stdio: 'pipe' });
  const limit = Date.now() + START_LIMIT;
  while (!(await commandOn(port, 'PING', []).catch(() => undefined))) {
    if (Date.now() > limit) throw new Error(`${image} did not start`);
    await wait(50);
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    command: (command, ...args) => commandOn(port, command, args),
    stop: async () => void execFileSync('docker', ['rm', '--force', name], { stdio: 'pipe' }),
  };
}

async function commandOn(port: number, name: string, args: readonly (string | number)[]): Promise<unknown> {
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    retryStrategy: () => null,
    commandTimeout: 5_000,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await redis.call(name, ...args);
  } finally {
    redis.disconnect();
  }
}
