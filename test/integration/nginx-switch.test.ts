import http from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { ProxyConfig } from '@cd-actions/shared/delivery/ports';
import { DeliveryError } from '@cd-actions/shared/domain/errors';
import type { Target } from '@cd-actions/shared/domain/traffic';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  all,
  apply,
  backend,
  configOf,
  containerWorld,
  get,
  KeepAliveLoad,
  type NginxWorld,
} from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';

const signal = new AbortController().signal;

describe.skipIf(!parts.docker || !parts.images)('traffic through the managed Nginx', { timeout: 60_000 }, () => {
  let world: NginxWorld;
  let servers: Record<string, Awaited<ReturnType<typeof backend>>>;
  let ports: Record<string, number>;
  let generation = 0;
  const next = (targets: readonly Target[], more: Parameters<typeof configOf>[4] = {}): ProxyConfig => {
    generation += 1;
    return configOf(world, ports, generation, targets, more);
  };
  const plansOn = async (): Promise<unknown> =>
    JSON.parse(await world.sh(`cat ${world.root}/plans/shop@production.json`)).generation;
  const served = async (): Promise<number | undefined> => (await world.proxy.state('shop@production'))?.generation;

  beforeAll(async () => {
    servers = { v1: await backend('v1'), v2: await backend('v2') };
    ports = Object.fromEntries(Object.entries(servers).map(([version, { port }]) => [version, port]));
    world = await containerWorld();
  });
  afterAll(async () => {
    await world?.close();
    await Promise.all(Object.values(servers ?? {}).map((server) => server.close()));
  });
  beforeEach(() => apply(world.proxy, next(all('v1'))));

  it('drops no request of keep-alive clients over 50 instant switches, and answers none from the old version afterwards', async () => {
    const load = new KeepAliveLoad(world.url, 16);
    const switches: { readonly at: number; readonly from: string; readonly until: number }[] = [];
    for (let flip = 0; flip < 50; flip += 1) {
      const from = flip % 2 === 0 ? 'v1' : 'v2';
      const { how } = await apply(world.proxy, next(all(from === 'v1' ? 'v2' : 'v1')));
      const at = performance.now();
      expect(how).toBe('instant');
      await wait(10);
      switches.push({ at, from, until: performance.now() });
    }
    await load.stop();
    const late = switches.flatMap(({ at, from, until }) =>
      load.answers.filter(({ sent, version }) => sent > at && sent < until && version === from),
    );
    const judged = switches.reduce(
      (sum, { at, until }) => sum + load.answers.filter(({ sent }) => sent > at && sent < until).length,
      0,
    );
    expect(judged).toBeGreaterThan(50);
    expect({ errors: load.errors, late, bad: load.answers.filter(({ status }) => status !== 200) }).toEqual({
      errors: [],
      late: [],
      bad: [],
    });
  });

  it('drops no request of keep-alive clients over reloads, quiet ones among them', async () => {
    const busy = new KeepAliveLoad(world.url, 12);
    const quiet = new KeepAliveLoad(world.url, 8, 700);
    for (let turn = 0; turn < 6; turn += 1) {
      expect((await apply(world.proxy, next(all('v1')), 'reload')).how).toBe('reload');
      await wait(100);
    }
    await Promise.all([busy.stop(), quiet.stop()]);
    const bad = [...busy.answers, ...quiet.answers].filter(({ status }) => status !== 200);
    expect({ errors: [...busy.errors, ...quiet.errors], bad }).toEqual({ errors: [], bad: [] });
    expect(quiet.answers.length).toBeGreaterThan(8);
  });

  it('brings a new release and moves traffic to it without an answer from the old one on a connection that was open before', async () => {
    const third = await backend('v3');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      expect((await get(world.url, {}, agent)).body).toBe('v1');
      ports = { ...ports, v3: third.port };
      await apply(world.proxy, next(all('v1')));
      await apply(world.proxy, next(all('v3')));
      expect((await get(world.url, {}, agent)).body).toBe('v3');
    } finally {
      agent.destroy();
      ports = { v1: ports['v1'] ?? 0, v2: ports['v2'] ?? 0 };
      await apply(world.proxy, next(all('v1')));
      await third.close();
    }
  });

  it('serves the committed plan after Nginx was killed', async () => {
    await apply(world.proxy, next(all('v2')));
    await world.crash();
    expect(await served()).toBe(generation);
    expect((await get(world.url)).body).toBe('v2');
  });

  it('heals what a crash between the file and the dictionary left', async () => {
    const committed = generation;
    await world.sh(
      `cd ${world.root}/plans && sed 's/"generation": ${committed}/"generation": 9999/' shop@production.json > x.new && mv x.new shop@production.json`,
    );
    expect([await plansOn(), await served()]).toEqual([9999, committed]);
    await apply(world.another(), configOf(world, ports, committed, all('v1')));
    expect([await plansOn(), await served()]).toEqual([committed, committed]);
  });

  it('leaves live what is live when the new configuration is broken', async () => {
    const before = await world.sh(
      `cd ${world.root} && readlink apps/shop@production && ls servers generations/* && cat plans/*`,
    );
    const tls = { certificate: '/nowhere/cert.pem', key: '/nowhere/key.pem' };
    const broken = configOf(world, ports, generation + 1, all('v2'), { route: { tls } });
    await expect(world.proxy.stage(broken)).rejects.toThrow(/nowhere\/cert\.pem/);
    const after = await world.sh(
      `cd ${world.root} && readlink apps/shop@production && ls servers generations/* && cat plans/*`,
    );
    expect(after).toBe(before);
    await world.sh(`nginx -t -c ${world.root}/nginx.conf`);
    expect((await get(world.url)).body).toBe('v1');
  });

  it('finds out when a reload silently does not happen, says why, and returns to what was', async () => {
    const staged = await world.proxy.stage({ ...next(all('v2')), pools: next(all('v2')).pools.slice(1) });
    // The signal goes nowhere: what a wrong pid file does, and no exit code tells.
    await world.sh('cp /run/nginx.pid /run/real.pid; sleep 300 & echo $! > /run/nginx.pid; sleep 0.1');
    try {
      await expect(world.proxy.activate(staged, 'auto', signal)).rejects.toThrow(DeliveryError);
    } finally {
      await world.sh('kill $(cat /run/nginx.pid); cp /run/real.pid /run/nginx.pid; true');
    }
    expect((await get(world.url)).body).toBe('v1');
    expect(await world.proxy.lastKnownGood('shop@production')).toMatchObject({ plan: { targets: all('v1') } });
    await world.crash();
    expect((await get(world.url)).body).toBe('v1');
  });

  it('loads what was committed when a run was killed between the files and the reload', async () => {
    const fewer = { ...next(all('v1')), pools: next(all('v1')).pools.slice(0, 1) };
    await world.proxy.stage(fewer);
    await world.sh(
      `cd ${world.root}/generations/shop@production && ln -sfn ../generations/shop@production/$(ls -t | head -n 1) ../../apps/.x && mv -T ../../apps/.x ../../apps/shop@production`,
    );
    const later = world.another();
    await apply(later, { ...fewer, generation: ++generation });
    expect(await later.state('shop@production')).toMatchObject({ generation });
    expect((await get(world.url)).body).toBe('v1');
    await later.close();
  });

  it('moves no user back while the weight grows, and keeps the share', async () => {
    const cookies: string[] = [];
    const on = new Map<string, string>();
    for (const weight of [5, 25, 50]) {
      await apply(
        world.proxy,
        next([
          { version: 'v2', weight },
          { version: 'v1', weight: 100 - weight },
        ]),
      );
      while (cookies.length < 200) {
        const { headers } = await get(world.url);
        cookies.push(
          /cd_client=([0-9a-f]+); Path=\/; HttpOnly; SameSite=Lax/.exec(String(headers['set-cookie']))?.[1] ?? '',
        );
      }
      for (const cookie of cookies) {
        const { body, headers } = await get(world.url, { Cookie: `cd_client=${cookie}` });
        expect(headers['set-cookie']).toBeUndefined();
        if (on.get(cookie) === 'v2') expect(body).toBe('v2');
        on.set(cookie, body);
      }
    }
    const share = cookies.filter((cookie) => on.get(cookie) === 'v2').length / cookies.length;
    // Five standard deviations of a binomial with n = 200, p = 0.5.
    expect(Math.abs(share - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / 200));
    await apply(world.proxy, next(all('v2')));
    expect((await get(world.url)).headers['set-cookie']).toBeUndefined();
  });

  it('lets testers in by a header or a cookie, exactly', async () => {
    const rules = [
      { kind: 'header', name: 'X-Canary', value: 'always', version: 'v2' },
      { kind: 'cookie', name: 'canary', value: 'yes.1', version: 'v2' },
    ] as const;
    await apply(world.proxy, next(all('v1'), { plan: { rules } }));
    const versionFor = async (headers: Record<string, string>): Promise<string> => (await get(world.url, headers)).body;
    expect(await versionFor({ 'x-canary': 'always' })).toBe('v2');
    expect(await versionFor({ Cookie: 'a=b; canary=yes.1' })).toBe('v2');
    expect(await versionFor({ 'X-Canary': 'Always' })).toBe('v1');
    expect(await versionFor({ Cookie: 'canary=yes11' })).toBe('v1');
    expect(await versionFor({})).toBe('v1');
  });

  it('goes into maintenance and back without a reload', async () => {
    expect((await apply(world.proxy, next(all('v1'), { plan: { maintenance: { retryAfter: 42 } } }))).how).toBe(
      'instant',
    );
    expect(await get(world.url)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '42', 'content-type': 'text/html' },
    });
    await apply(world.proxy, next(all('v1')));
    expect((await get(world.url)).status).toBe(200);
  });

  it('tells the app who asks, and passes the path as it came', async () => {
    const { headers } = await get(`${world.url}/a%2Fb/..%20c?x=%7B`, {
      Host: 'shop.example.org',
      'X-Forwarded-For': '192.0.2.1',
    });
    const seen = JSON.parse(String(headers['x-seen']));
    expect(seen).toMatchObject({ url: '/a%2Fb/..%20c?x=%7B', host: 'shop.example.org', 'x-forwarded-proto': 'http' });
    expect(seen['x-forwarded-for']).toMatch(/^192\.0\.2\.1, \d/);
    expect(seen['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
    expect(seen.connection).toBe('close' in seen ? 'x' : undefined);
  });

  it('serves two apps and two environments under one name, and 404 elsewhere', async () => {
    await apply(world.proxy, configOf(world, ports, 1, all('v2'), { id: 'api@production', pathPrefix: '/api' }));
    await apply(world.proxy, configOf(world, ports, 1, all('v2'), { id: 'shop@staging', pathPrefix: '/staging/' }));
    const bodies = await Promise.all(
      ['/', '/api', '/api/x', '/apiary', '/staging/x'].map(async (path) => (await get(world.url + path)).body),
    );
    expect(bodies).toEqual(['v1', 'v2', 'v2', 'v1', 'v2']);
    await apply(world.proxy, next(all('v1'), { pathPrefix: '/shop' }));
    expect((await get(world.url)).status).toBe(404);
    expect((await get(`${world.url}/api`)).body).toBe('v2');
    await world.proxy.forget('api@production');
    await world.proxy.forget('shop@staging');
    expect((await get(`${world.url}/api`)).status).toBe(404);
  });

  it('names the live app that breaks the configuration of all', async () => {
    await apply(world.proxy, configOf(world, ports, 1, all('v2'), { id: 'api@production', pathPrefix: '/api' }));
    // Without the generation's own record its files cannot be written again as they were.
    const home = `${world.root}/apps/api@production`;
    await world.sh(`echo 'nonsense;' >> ${home}/http.conf; mv ${home}/config.json ${home}/config.away`);
    const fewer = { ...next(all('v1')), pools: next(all('v1')).pools.slice(0, 1) };
    await expect(world.proxy.stage(fewer)).rejects.toThrow(
      /because of the app api@production.*unknown directive "nonsense"/,
    );
    // What needs no reload does not suffer.
    expect((await apply(world.proxy, next(all('v2')))).how).toBe('instant');
    await world.sh(`mv ${home}/config.away ${home}/config.json`);
    const staged = await world.proxy.stage(fewer);
    expect(staged.drift).toEqual(['api@production: http.conf was changed by hand']);
    await world.proxy.discard(staged);
    await world.proxy.forget('api@production');
  });

  it('refuses the path of another app', async () => {
    const rival = configOf(world, ports, 1, all('v2'), { id: 'rival@production' });
    await expect(world.proxy.stage(rival)).rejects.toThrow(/shop@production/);
  });

  it('refuses a port that the container does not publish', async () => {
    await expect(world.proxy.stage(next(all('v1'), { route: { listen: ['81'] } }))).rejects.toThrow(
      /does not publish port 81/,
    );
  });

  it('counts open connections to a release, and none soon after they are idle', async () => {
    const pool = { version: 'v1', servers: [{ address: world.backendAddress, port: ports['v1'] ?? 0 }] };
    const load = new KeepAliveLoad(world.url, 4);
    await wait(200);
    expect(await world.proxy.connections(pool)).toBeGreaterThan(0);
    await load.stop();
    await apply(world.proxy, next(all('v2')));
    const deadline = Date.now() + 8_000;
    while ((await world.proxy.connections(pool)) !== 0 && Date.now() < deadline) await wait(100);
    expect(await world.proxy.connections(pool)).toBe(0);
  });
});
