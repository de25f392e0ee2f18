import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { all, apply, configOf, containerWorld, get, localWorld, type NginxWorld } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';
import { freePort } from '../support/redis.ts';

/** A server that keeps what it was asked, and answers after a while. */
async function recorder(version: string, delay = 0) {
  const seen: { method: string; url: string; headers: http.IncomingHttpHeaders }[] = [];
  const server = http.createServer((request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    request.resume();
    setTimeout(() => response.setHeader('X-Version', version).end(version), delay);
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const close = (): void => void server.close().closeAllConnections();
  return { seen, port: (server.address() as AddressInfo).port, close };
}

type Recorder = Awaited<ReturnType<typeof recorder>>;

/** One request of a method with a body. */
function send(url: string, method: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
    });
    request.on('error', reject).end('a body');
  });
}

/** Milliseconds of each of `count` requests, one after the other on one connection, and the connections that were opened for them. */
async function onOneConnection(url: string, count: number) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  const answers = new Set<string>();
  let connections = 0;
  const open = agent.createConnection.bind(agent);
  agent.createConnection = (...given) => {
    connections += 1;
    return open(...given);
  };
  for (let each = 0; each < count; each += 1) {
    const began = performance.now();
    const { status, body } = await get(url, {}, agent);
    times.push(performance.now() - began);
    answers.add(`${status} ${body}`);
  }
  agent.destroy();
  return { slowest: Math.max(...times), answers: [...answers], connections };
}

const worlds = [
  ['the managed container, at once', containerWorld, parts.docker && parts.images],
  ["the host's own Nginx, by reload", localWorld, parts.nginx],
] as const;

for (const [title, open, present] of worlds)
  describe.skipIf(!present)(`a mirror: ${title}`, { timeout: 60_000 }, () => {
    let world: NginxWorld;
    let live: Recorder;
    let candidate: Recorder;
    let slow: Recorder;
    let gone = 0;
    let generation = 0;

    beforeAll(async () => {
      world = await open();
      [live, candidate, slow] = [await recorder('v1'), await recorder('v2'), await recorder('slow', 3000)];
      gone = await freePort();
    }, 60_000);
    afterAll(async () => {
      for (const each of [live, candidate, slow]) each?.close();
      await world?.close();
    });

    const mirrored = (share: number, version = 'v2') => {
      generation += 1;
      const ports = { v1: live.port, v2: candidate.port, slow: slow.port, gone };
      const plan = { mirror: { version, share } };
      return apply(world.proxy, configOf(world, ports, generation, all('v1'), { plan }));
    };

    it('copies every read as it was sent, and answers from the live version alone', async () => {
      await mirrored(100);
      const answer = await get(`${world.url}/a%2Fb/c?x=1&y=%20`, { cookie: 'a=1', host: 'shop.example.org' });
      expect(answer).toMatchObject({ status: 200, body: 'v1' });
      await expect.poll(() => candidate.seen.length).toBe(1);
      expect(candidate.seen[0]).toMatchObject({ method: 'GET', url: '/a%2Fb/c?x=1&y=%20' });
      const { cookie, host, 'x-mirror': mark, 'x-request-id': id, ...rest } = candidate.seen[0]?.headers ?? {};
      expect({ cookie, host, mark }).toEqual({ cookie: 'a=1', host: 'shop.example.org', mark: '1' });
      expect(id).toBe(live.seen[0]?.headers['x-request-id']);
      expect(Object.keys(rest).filter((name) => name.startsWith('x-cd'))).toEqual([]);
    });

    it('copies nothing that could change something', async () => {
      candidate.seen.length = 0;
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) expect(await send(world.url, method)).toBe('200 v1');
      await get(world.url);
      await expect.poll(() => candidate.seen.length).toBeGreaterThan(0);
      expect(candidate.seen.map(({ method }) => method)).toEqual(['GET']);
    });

    it('copies the share that was asked for', async () => {
      await mirrored(10);
      candidate.seen.length = 0;
      const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
      await Promise.all(Array.from({ length: 2000 }, () => get(world.url, {}, agent)));
      agent.destroy();
      await wait(300);
      // 200 expected; 3.9 standard deviations either way: one run in ten thousand is wrongly red.
      expect(candidate.seen.length).toBeGreaterThan(147);
      expect(candidate.seen.length).toBeLessThan(253);
    });

    it.each([['slow'], ['gone']])('is not felt by a client when the candidate is %s', async (version) => {
      await mirrored(100, version);
      const { slowest, answers, connections } = await onOneConnection(world.url, 50);
      expect({ answers, connections }).toEqual({ answers: ['200 v1'], connections: 1 });
      expect(slowest).toBeLessThan(400);
    });

    it('ends with the plan', async () => {
      generation += 1;
      const { how } = await apply(
        world.proxy,
        configOf(world, { v1: live.port, v2: candidate.port, slow: slow.port, gone }, generation, all('v1')),
      );
      expect(how).toBe(open === containerWorld ? 'instant' : 'reload');
      await wait(200);
      candidate.seen.length = 0;
      for (let each = 0; each < 10; each += 1) await get(world.url);
      await wait(200);
      expect(candidate.seen).toEqual([]);
    });
  });
