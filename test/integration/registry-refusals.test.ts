import { createServer } from 'node:net';
import { UnavailableError, UserError } from '@cd-actions/shared/domain/errors';
import { afterEach, describe, expect, it } from 'vitest';
import { parts } from '../support/parts.ts';
import { anEvent, aRelease } from '../support/records.ts';
import { cleanups, connect, failure, id, lease, server, stopAll } from '../support/registry.ts';

afterEach(stopAll);

const PASSWORD = 'pass%w@rd';
const ENCODED = encodeURIComponent(PASSWORD);

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
