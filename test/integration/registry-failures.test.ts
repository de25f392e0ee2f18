import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { UnavailableError } from '@cd-actions/shared/domain/errors';
import { redisRegistry } from '@cd-actions/shared/registry/redis-registry';
import { afterEach, describe, expect, it } from 'vitest';
import { parts } from '../support/parts.ts';
import { anEvent, aRelease } from '../support/records.ts';
import { freePort } from '../support/redis.ts';
import { cleanups, connect, EVAL, failure, id, lease, server, stopAll } from '../support/registry.ts';

afterEach(stopAll);

const ENCODED = encodeURIComponent('pass%w@rd');

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
