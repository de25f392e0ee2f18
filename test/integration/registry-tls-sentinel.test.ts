import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '@cd-actions/shared/domain/errors';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parts } from '../support/parts.ts';
import { aHolder, aRelease } from '../support/records.ts';
import { freePort, type LocalRedis, startRedis } from '../support/redis.ts';
import { makeCertificates } from '../support/redis-tls.ts';
import { cleanups, connect, EVAL, failure, id, lease, server, stopAll } from '../support/registry.ts';

afterEach(stopAll);

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
