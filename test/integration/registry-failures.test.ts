import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Registry } from '@cd-actions/shared/delivery/ports';
import { UnavailableError, UserError } from '@cd-actions/shared/domain/errors';
import { type RedisRegistryOptions, redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parts } from '../support/parts.ts';
import { aHolder, anEvent, aRelease } from '../support/records.ts';
import { freePort, type LocalRedis, startRedis } from '../support/redis.ts';
import { makeCertificates } from '../support/redis-tls.ts';

const id = 'shop@production';
const PASSWORD = 'pass%w@rd';
const ENCODED = encodeURIComponent(PASSWORD);

const EVAL = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--input-type=module', '--eval'];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function server(...args: readonly string[]): Promise<LocalRedis> {
  const redis = await startRedis(args);
  cleanups.push(() => redis.stop());
  return redis;
}

function connect(url: string, options?: RedisRegistryOptions): Registry {
  const registry = redisRegistry(url, options);
  cleanups.push(() => registry.close());
  return registry;
}

/** What is thrown, with how long that took in milliseconds. */
async function failure(work: () => Promise<unknown>): Promise<{ error: Error; remedy: string; took: number }> {
  const begun = performance.now();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { error, remedy: (error instanceof UserError && error.remedy) || '', took: performance.now() - begun };
  }
  throw new Error('it did not fail');
}

async function lease(registry: Registry) {
  const answer = await registry.acquire(id, aHolder('alice'), 60_000);
  if ('heldBy' in answer) throw new Error('held');
  return answer.lease;
}

describe.skipIf(!parts.redis)('A Redis that is not there', () => {
  it('is reported within seconds, by host and port, never with the password', async () => {
    const port = await freePort();
    const { error, took } = await failure(() => connect(`redis://user:${ENCODED}@127.0.0.1:${port}`).read(id));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(new RegExp(`^Redis at 127\\.0\\.0\\.1:${port} refuses the connection .*redis-url`));
    expect(`${error.message}${error.stack}${error.cause}`).not.toMatch(/pass.*rd/);
    expect(took).toBeLessThan(7_000);
  });

  it('is waited for while it starts', async () => {
    const redis = await server();
    await redis.kill();
    const registry = connect(redis.url);
    const reading = registry.read(id);
    await redis.restart();
    expect((await reading).releases).toEqual([]);
  });

  it('is reported when its name has no address', async () => {
    const { error } = await failure(() => connect('redis://no-such-host.invalid', { connectTimeout: 500 }).read(id));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain('Redis at no-such-host.invalid:6379 cannot be found');
  });

  it('is reported when it accepts but never answers, and is used again once it does', async () => {
    const redis = await server();
    const registry = connect(redis.url, { commandTimeout: 500, connectTimeout: 1_000 });
    redis.pause();
    for (const _ of ['while connecting', 'again']) {
      const { error, took } = await failure(() => registry.read(id));
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error.message).toContain('does not answer');
      expect(took).toBeLessThan(3_000);
    }
    redis.resume();
    expect((await registry.read(id)).releases).toEqual([]);
    redis.pause();
    expect((await failure(() => registry.read(id))).error.message).toContain('does not answer');
    redis.resume();
    expect((await registry.read(id)).releases).toEqual([]);
  });

  it('can be closed at once while it does not answer', async () => {
    const redis = await server();
    redis.pause();
    const registry = redisRegistry(redis.url);
    const reading = failure(() => registry.read(id));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const begun = performance.now();
    await registry.close();
    expect((await reading).error.message).toBe('The connection to the registry is closed.');
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it('lets the process end by itself, and prints nothing', async () => {
    const port = await freePort();
    const script = `
      const { redisRegistry } = await import('@cd-actions/shared/registry/redis-registry');
      const registry = redisRegistry('redis://127.0.0.1:${port}', { connectTimeout: 300 });
      await registry.read('a@b').catch((error) => console.log(error.name));`;
    const run = promisify(execFile)(process.execPath, [...EVAL, script], { timeout: 10_000 });
    expect(await run).toEqual({ stdout: 'UnavailableError\n', stderr: '' });
  });

  it('lets the process end once it is closed, used or not', async () => {
    const redis = await server();
    const script = `
      const { redisRegistry } = await import('@cd-actions/shared/registry/redis-registry');
      await redisRegistry('${redis.url}').close();
      const registry = redisRegistry('${redis.url}');
      await registry.read('a@b');
      await registry.close();
      await registry.close();
      await registry.read('a@b').catch((error) => console.log(error.message));`;
    const run = promisify(execFile)(process.execPath, [...EVAL, script], { timeout: 10_000 });
    expect(await run).toEqual({ stdout: 'The connection to the registry is closed.\n', stderr: '' });
  });
});

describe.skipIf(!parts.redis)('A Redis that was killed meanwhile', () => {
  it('is connected to again, and keeps what it had saved', async () => {
    const redis = await server('--appendonly', 'yes', '--appendfsync', 'always');
    const registry = connect(redis.url);
    const held = await lease(registry);
    await registry.write(id, held, { releases: [aRelease('1.0.0', 1)] });
    await redis.kill();
    const writing = registry.write(id, held, { releases: [aRelease('2.0.0', 2)], events: [anEvent('2.0.0')] });
    await redis.restart();
    await writing;
    expect((await registry.read(id)).releases.map((release) => release.version)).toEqual(['2.0.0', '1.0.0']);
    expect(await registry.history(id, 10)).toHaveLength(1);
  });

  it('gives out a higher token after it lost everything', async () => {
    const redis = await server();
    const registry = connect(redis.url);
    const before = await lease(registry);
    await redis.command('FLUSHALL');
    expect((await lease(registry)).token).toBeGreaterThan(before.token);
  });
});

/** Forwards to `port`, and cuts the connection instead of forwarding the first answer to a command that holds `word`. */
async function cuttingProxy(port: number, word: string): Promise<{ port: number; cuts: () => number }> {
  const { connect: dial } = await import('node:net');
  let cuts = 0;
  const proxy = createServer((client) => {
    const upstream = dial(port, '127.0.0.1');
    let armed = false;
    client.on('data', (chunk) => {
      armed ||= cuts === 0 && chunk.includes(word);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!armed) return void client.write(chunk);
      cuts++;
      client.destroy();
      upstream.destroy();
    });
    client.on('close', () => upstream.destroy()).on('error', () => undefined);
    upstream.on('close', () => client.destroy()).on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  cleanups.push(() => proxy.close());
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, cuts: () => cuts };
}

describe.skipIf(!parts.redis)('An answer that is lost on the way', () => {
  it('leaves neither a lease that its own run waits for nor an event twice', async () => {
    const redis = await server();
    const acquiring = await cuttingProxy(redis.port, 'HMGET');
    const held = await lease(connect(`redis://127.0.0.1:${acquiring.port}`));
    expect(acquiring.cuts()).toBe(1);
    const writing = await cuttingProxy(redis.port, 'XADD');
    const registry = connect(`redis://127.0.0.1:${writing.port}`);
    await registry.write(id, held, { events: [anEvent('1.0.0')] });
    expect(writing.cuts()).toBe(1);
    expect(await registry.history(id, 10)).toHaveLength(1);
  });
});

describe.skipIf(!parts.redis)('A Redis that refuses', () => {
  it('takes a user and a password from the URL, and says so when they are wrong or missing', async () => {
    const redis = await server('--requirepass', PASSWORD);
    const at = `127.0.0.1:${redis.port}`;
    for (const login of [`:${ENCODED}@`, `default:${ENCODED}@`]) {
      expect((await connect(`redis://${login}${at}`).read(id)).releases).toEqual([]);
    }
    const wrong = await failure(() => connect(`redis://:wrong%21@${at}`).read(id));
    expect(wrong.error).toBeInstanceOf(UserError);
    expect(wrong.error.message).toContain(`Redis at ${at} refuses the login`);
    expect(wrong.error.message).not.toContain('wrong!');
    const none = await failure(() => connect(`redis://${at}`).read(id));
    expect(none.error.message).toContain(`Redis at ${at} wants a password`);
    expect(Math.max(wrong.took, none.took)).toBeLessThan(1_000);
  });

  it('uses the database of the URL, and says so when there is none of that number', async () => {
    const redis = await server();
    const third = connect(`${redis.url}/3`);
    await third.write(id, await lease(third), { releases: [aRelease('1.0.0', 1)] });
    expect((await connect(`${redis.url}/0`).read(id)).releases).toEqual([]);
    const { error } = await failure(() => connect(`${redis.url}/99`).read(id));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('has no such database');
    expect(await redis.command('KEYS', '*')).toEqual([]);
  });

  it('is named when it is a read-only replica; reading works there', async () => {
    const primary = await server('--repl-diskless-sync-delay', '0');
    const replica = await server('--replicaof', `127.0.0.1 ${primary.port}`);
    const registry = connect(replica.url);
    await expect
      .poll(() =>
        registry.read(id).then(
          (deployment) => deployment.releases,
          () => null,
        ),
      )
      .toEqual([]);
    const { error, remedy } = await failure(() => lease(registry));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('is a read-only replica');
    expect(remedy).toContain('primary');
  });

  it('is named when its memory is full, having written nothing; the lease can still be freed', async () => {
    const redis = await server();
    const registry = connect(redis.url);
    const held = await lease(registry);
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    const { error } = await failure(() =>
      registry.write(id, held, { releases: [aRelease('1.0.0', 1)], journal: null }),
    );
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain('out of memory');
    await registry.renew(id, held, 60_000);
    await registry.release(id, held);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    expect(await redis.command('KEYS', '*')).toEqual([`cd:{${id}}:fence`]);
  });

  it('is named when its user may not', async () => {
    const redis = await server();
    await redis.command('ACL', 'SETUSER', 'reader', 'on', '>pw', '~other:*', '+@all');
    const { error } = await failure(() => connect(`redis://reader:pw@127.0.0.1:${redis.port}`).read(id));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('does not let this user');
    await redis.command(
      'ACL',
      'SETUSER',
      'cd',
      'on',
      '>pw',
      '~cd:*',
      '+@read',
      '+@write',
      '+@scripting',
      '+@connection',
      '+time',
    );
    const allowed = connect(`redis://cd:pw@127.0.0.1:${redis.port}`);
    await allowed.write(id, await lease(allowed), { releases: [aRelease('1.0.0', 1)], events: [anEvent('1.0.0')] });
  });

  it('is named when it still loads its data', async () => {
    const redis = await server('--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024');
    await redis.command('EVAL', "for i=1,300 do redis.call('SET', 'other'..i, ('x'):rep(1000)..i) end", 0);
    const registry = connect(redis.url, { connectTimeout: 500 });
    await registry.read(id);
    await redis.command('CONFIG', 'SET', 'rdbcompression', 'no', 'key-load-delay', '10000');
    const reloading = redis.command('DEBUG', 'RELOAD');
    const { error } = await failure(async () => {
      for (const end = Date.now() + 3_000; Date.now() < end; ) await registry.read(id);
    });
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain('is still loading its data');
    await reloading;
  });

  it('is told apart from what is no Redis, and a cluster from a single server', async () => {
    const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1');
    await new Promise((resolve) => web.once('listening', resolve));
    cleanups.push(() => web.close());
    const address = web.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { error } = await failure(() => connect(`redis://127.0.0.1:${port}`, { connectTimeout: 500 }).read(id));
    expect(error.message).toContain('does not speak the protocol of Redis');
    const single = await server();
    const cluster = await failure(() =>
      connect(single.url.replace('redis:', 'redis+cluster:'), { connectTimeout: 500 }).read(id),
    );
    expect(cluster.remedy).toContain('`redis://host:6379`');
  });
});

describe.skipIf(!parts.redis)('A Redis with TLS', () => {
  let files: ReturnType<typeof makeCertificates>;
  let redis: LocalRedis;
  beforeAll(async () => {
    files = makeCertificates();
    const port = await freePort();
    const tls = ['--tls-cert-file', files.cert, '--tls-key-file', files.key, '--tls-ca-cert-file', files.ca];
    redis = Object.assign(await startRedis(['--tls-port', String(port), ...tls, '--tls-auth-clients', 'optional']), {
      tls: port,
    });
  });
  afterAll(async () => {
    await redis?.stop();
    rmSync(files.directory, { recursive: true, force: true });
  });
  const at = (): string => `127.0.0.1:${(redis as LocalRedis & { tls: number }).tls}`;

  it('is trusted by `?ca=` or by NODE_EXTRA_CA_CERTS, and not without', async () => {
    expect((await connect(`rediss://${at()}?ca=${files.ca}`).read(id)).releases).toEqual([]);
    const { error, remedy } = await failure(() => connect(`rediss://${at()}`).read(id));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('certificate that is not trusted');
    expect(remedy).toContain('NODE_EXTRA_CA_CERTS');
    const script = `
      const { redisRegistry } = await import('@cd-actions/shared/registry/redis-registry');
      const registry = redisRegistry('rediss://${at()}');
      console.log((await registry.read('a@b')).id);
      await registry.close();`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: files.ca };
    const run = promisify(execFile)(process.execPath, [...EVAL, script], {
      env,
      timeout: 10_000,
    });
    expect(await run).toEqual({ stdout: 'a@b\n', stderr: '' });
  });

  it('takes a client certificate, and says so when one is wanted', async () => {
    await redis.command('CONFIG', 'SET', 'tls-auth-clients', 'yes');
    const without = await failure(() => connect(`rediss://${at()}?ca=${files.ca}`, { connectTimeout: 500 }).read(id));
    // The server's alert and its reset of the connection race; either way the message says what may be wanting.
    expect(`${without.error.message} ${without.remedy}`).toContain('client certificate');
    const login = `?ca=${files.ca}&cert=${files.cert}&key=${files.key}`;
    expect((await connect(`rediss://${at()}${login}`).read(id)).releases).toEqual([]);
    await redis.command('CONFIG', 'SET', 'tls-auth-clients', 'optional');
  });

  it('says what is wrong when one side speaks TLS and the other does not', async () => {
    const plain = await failure(() => connect(`redis://${at()}`, { connectTimeout: 500 }).read(id));
    expect(plain.error.message).toContain('begin `redis-url` with `rediss://`');
    const over = await failure(() => connect(`rediss://127.0.0.1:${redis.port}`, { connectTimeout: 500 }).read(id));
    expect(`${over.error.message} ${over.remedy}`).toContain('`redis://`');
  });

  it('says which file it cannot read', async () => {
    const { error } = await failure(() => connect(`rediss://${at()}?ca=/no/such.pem`).read(id));
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toContain('`ca` file of `redis-url` cannot be read');
    const garbage = await failure(() => connect(`rediss://${at()}?ca=/proc/version`).read(id));
    expect(garbage.error.message).toContain('is not in PEM form');
    const swapped = await failure(() => connect(`rediss://${at()}?cert=${files.key}&key=${files.cert}`).read(id));
    expect(swapped.error.message).toContain('certificate files of `redis-url` cannot be used');
  });
});

describe.skipIf(!parts.redis)('A Redis behind Sentinels', () => {
  it('is found, and found again after its primary died', async () => {
    const primary = await server('--repl-diskless-sync-delay', '0');
    const replica = await server('--replicaof', `127.0.0.1 ${primary.port}`);
    const config = join(replica.directory, 'sentinel.conf');
    const lines = [
      `monitor main 127.0.0.1 ${primary.port} 1`,
      'down-after-milliseconds main 500',
      'failover-timeout main 2000',
    ];
    writeFileSync(config, lines.map((line) => `sentinel ${line}\n`).join(''));
    const sentinel = await startRedis(['--sentinel'], { config });
    cleanups.push(() => sentinel.stop());
    const down = await freePort();
    const registry = connect(`redis+sentinel://127.0.0.1:${down},127.0.0.1:${sentinel.port}/main`, {
      connectTimeout: 15_000,
    });
    await registry.write(id, await lease(registry), { releases: [aRelease('1.0.0', 1)] });
    await expect.poll(() => replica.command('EXISTS', `cd:{${id}}:releases`), { timeout: 10_000 }).toBe(1);
    await expect
      .poll(() => sentinel.command('SENTINEL', 'REPLICAS', 'main').then(String), { timeout: 15_000 })
      .toContain(String(replica.port));
    await primary.kill();
    await expect
      .poll(() => replica.command('ROLE').then(String), { timeout: 20_000, interval: 100 })
      .toContain('master');
    const other = 'shop@staging';
    const answer = await registry.acquire(other, aHolder('alice'), 1_000);
    expect(answer).toHaveProperty('lease');
    expect((await registry.read(id)).releases).toHaveLength(1);
    const wrong = connect(`redis+sentinel://127.0.0.1:${sentinel.port}/other`, { connectTimeout: 500 });
    expect((await failure(() => wrong.read(id))).error.message).toContain('Redis "other" behind the Sentinels');
  });
});
