import { createServer } from 'node:net';
import { DeliveryError, UserError } from '@cd-actions/shared/domain/errors';
import { localProxy } from '@cd-actions/shared/nginx/local-host';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realClock } from '../support/clock.ts';
import { all, apply, backend, configOf, get, localWorld, type NginxWorld } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';

describe.skipIf(!parts.nginx)("the host's own Nginx, without njs for instant switching", () => {
  let world: NginxWorld;
  let servers: Record<string, Awaited<ReturnType<typeof backend>>>;
  let ports: Record<string, number>;
  let generation = 0;
  const next = (version: string, more: Parameters<typeof configOf>[4] = {}) =>
    configOf(world, ports, ++generation, all(version), more);

  beforeAll(async () => {
    servers = { v1: await backend('v1'), v2: await backend('v2') };
    ports = Object.fromEntries(Object.entries(servers).map(([version, { port }]) => [version, port]));
    world = await localWorld();
  });
  afterAll(async () => {
    await world?.close();
    await Promise.all(Object.values(servers ?? {}).map((server) => server.close()));
  });

  it('serves weights, rules and maintenance by reloads', async () => {
    const rules = [{ kind: 'header', name: 'X-Try', value: 'yes', version: 'v2' }] as const;
    await apply(world.proxy, next('v1', { plan: { rules } }));
    expect((await get(world.url)).body).toBe('v1');
    expect((await get(world.url, { 'X-Try': 'yes' })).body).toBe('v2');
    expect((await get(world.url, { 'X-Try': 'YES' })).body).toBe('v1');

    const halves = [
      { version: 'v2', weight: 50 },
      { version: 'v1', weight: 50 },
    ];
    await apply(world.proxy, next('v1', { plan: { targets: halves } }));
    const { body, headers } = await get(world.url);
    const cookie = String(headers['set-cookie']).split(';')[0] ?? '';
    expect(cookie).toMatch(/^cd_client=[0-9a-f]{32}$/);
    for (let again = 0; again < 10; again += 1) expect((await get(world.url, { Cookie: cookie })).body).toBe(body);

    await apply(world.proxy, next('v1', { plan: { maintenance: { retryAfter: 7 } } }));
    expect(await get(world.url)).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
    await apply(world.proxy, next('v2'));
    expect((await get(world.url)).body).toBe('v2');
  });

  it('refuses to be instant, and says what is missing', async () => {
    const staged = await world.proxy.stage(next('v1'));
    await expect(world.proxy.activate(staged, 'instant', new AbortController().signal)).rejects.toThrow(/njs >= 0\.8/);
    await world.proxy.discard(staged);
  });

  it('says from the error log why a reload did not happen, and goes back', async () => {
    await apply(world.proxy, next('v1'));
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '0.0.0.0', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    try {
      // nginx -t accepts it: a test does not mind a port that is in use.
      const refusal = apply(world.proxy, next('v2', { route: { listen: [String(world.port), port] } }));
      await expect(refusal).rejects.toThrow(DeliveryError);
      await expect(refusal).rejects.toThrow(new RegExp(`bind\\(\\) to 0\\.0\\.0\\.0:${port} failed`));
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
    expect((await get(world.url)).body).toBe('v1');
    expect(await world.sh(`ls ${world.root}/servers`)).not.toContain(port);
    await world.crash();
    expect((await get(world.url)).body).toBe('v1');
  });

  it('leaves no trace of a test in the directory of the main configuration', async () => {
    await world.proxy.discard(await world.proxy.stage(next('v2')));
    expect(await world.sh(`ls -A ${world.root}/.. ${world.root}/staging`)).not.toMatch(
      /\.nginx\.conf\.|\d+-[0-9a-f]{12}/,
    );
  });

  it('asks for one line when the main configuration reads nothing of ours', async () => {
    const main = `${world.root}/other.conf`;
    await world.sh(`echo 'events {} http { include mime.types; }' > ${main}`);
    const binary = parts.nginx?.binary ?? '';
    const other = localProxy({ binary, mainConfig: main, configDir: `${world.root}/x`, clock: realClock });
    await expect(other.prepare()).rejects.toThrow(UserError);
    await expect(other.prepare()).rejects.toMatchObject({
      remedy: expect.stringContaining(`include ${world.root}/x/http.conf;`),
    });
    const none = localProxy({ binary: 'no-such-nginx', mainConfig: main, configDir: world.root, clock: realClock });
    await expect(none.prepare()).rejects.toThrow(/no Nginx/);
  });

  it('probes from the machine itself', async () => {
    const at = ports['v1'] ?? 0;
    expect(await world.proxy.probe('127.0.0.1', at, '/', 1000)).toMatchObject({ status: 200, error: '' });
    expect(await world.proxy.probe('127.0.0.1', 1, '/', 1000)).toMatchObject({
      status: 0,
      error: expect.stringMatching(/./),
    });
  });
});
