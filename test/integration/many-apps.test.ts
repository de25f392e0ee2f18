import type { DeploymentId } from '@cd-actions/shared/domain/names';
import type { Route } from '@cd-actions/shared/domain/traffic';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { certificate, getHttp2 } from '../support/certificate.ts';
import {
  all,
  apply,
  backend,
  configOf,
  containerWorld,
  get,
  localWorld,
  type NginxWorld,
} from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';
import { freePort } from '../support/redis.ts';

const worlds = [
  ['the managed container', containerWorld, parts.docker && parts.images],
  ["the host's own Nginx 1.22", localWorld, parts.nginx],
] as const;

for (const [title, open, present] of worlds)
  describe.skipIf(!present)(`many apps: ${title}`, { timeout: 60_000 }, () => {
    let world: NginxWorld;
    const ports: Record<string, number> = {};
    const closing: (() => Promise<void>)[] = [];
    const live = new Set<DeploymentId>();

    beforeAll(async () => {
      world = await open();
      for (const version of ['shop', 'blog', 'next']) {
        const server = await backend(version);
        ports[version] = server.port;
        closing.push(server.close);
      }
    }, 60_000);
    afterEach(async () => {
      for (const id of live) await world.proxy.forget(id);
      live.clear();
    });
    afterAll(async () => {
      for (const close of closing) await close();
      await world?.close();
    });

    let generation = 0;
    /** Gives an app a route, all its traffic to one version. */
    const serve = async (id: DeploymentId, version: string, route: Partial<Route>) => {
      generation += 1;
      live.add(id);
      return apply(world.proxy, configOf(world, ports, generation, all(version), { id, route }));
    };
    const asked = async (host: string, path = '/', port = world.port): Promise<string> => {
      const { status, body } = await get(`http://127.0.0.1:${port}${path}`, { host });
      return status === 200 ? body : String(status);
    };

    it('tells them apart by server name, path and port, and an app of many environments by any of these', async () => {
      await serve('shop@production', 'shop', { serverName: ['shop.test', 'www.shop.test'] });
      await serve('blog@production', 'blog', { serverName: ['shop.test'], pathPrefix: '/blog' });
      await serve('shop@staging', 'next', { serverName: ['*.staging.test'] });
      await serve('shop@preview', 'next', { listen: [String(world.otherPort)] });
      expect([await asked('shop.test'), await asked('www.shop.test', '/any')]).toEqual(['shop', 'shop']);
      expect([await asked('shop.test', '/blog'), await asked('shop.test', '/blog/1')]).toEqual(['blog', 'blog']);
      expect([await asked('shop.test', '/blogger'), await asked('www.shop.test', '/blog')]).toEqual(['shop', 'shop']);
      expect([await asked('a.staging.test'), await asked('any.test', '/', world.otherPort)]).toEqual(['next', 'next']);
      await serve('shop@staging', 'blog', { serverName: ['*.staging.test'] });
      expect([await asked('a.staging.test'), await asked('shop.test'), await asked('x', '/', world.otherPort)]).toEqual(
        ['blog', 'shop', 'next'],
      );
    });

    it('serves HTTPS with HTTP/2, and redirects plain HTTP there, method and path kept', async () => {
      const tls = await certificate(world, 'shop.test');
      const route = {
        listen: [String(world.otherPort)],
        redirect: [String(world.port)],
        serverName: ['shop.test'],
        tls,
      };
      await serve('shop@production', 'shop', route);
      await serve('blog@production', 'blog', { ...route, pathPrefix: '/blog' });
      await serve('plain@production', 'next', { serverName: ['plain.test'] });
      expect(await getHttp2(world.otherPort, 'shop.test', '/a')).toEqual({ status: 200, body: 'shop' });
      expect(await getHttp2(world.otherPort, 'shop.test', '/blog/a')).toEqual({ status: 200, body: 'blog' });
      const redirected = await get(`${world.url}/blog/a?x=%20y`, { host: `shop.test:${world.port}` });
      expect([redirected.status, redirected.headers.location]).toEqual([
        308,
        `https://shop.test:${world.otherPort}/blog/a?x=%20y`,
      ]);
      expect(await asked('plain.test')).toBe('next');
      await serve('plain@production', 'blog', { serverName: ['plain.test'] });
      expect([await asked('plain.test'), (await getHttp2(world.otherPort, 'shop.test', '/')).body]).toEqual([
        'blog',
        'shop',
      ]);
    });

    it('gives a name that no app has to none of them, unless one is for any name', async () => {
      const tls = await certificate(world, 'tls.test');
      await serve('blog@production', 'blog', { serverName: ['blog.test'] });
      await serve('shop@production', 'shop', { serverName: ['tls.test'], listen: [String(world.otherPort)], tls });
      expect([await asked('other.test'), await asked('blog.test')]).toEqual(['404', 'blog']);
      await expect(getHttp2(world.otherPort, 'other.test', '/')).rejects.toThrow(/alert|unrecognized/);
      expect((await getHttp2(world.otherPort, 'tls.test', '/')).body).toBe('shop');
      await serve('next@production', 'next', { serverName: ['_'] });
      expect([await asked('other.test'), await asked('blog.test')]).toEqual(['next', 'blog']);
    });

    it("refuses an app's broken input with Nginx's words, and switches the others", async () => {
      await serve('shop@production', 'shop', { serverName: ['shop.test'] });
      const tls = { certificate: '/nowhere/x.pem', key: '/nowhere/x.key' };
      const broken = { serverName: ['blog.test'], listen: [String(world.otherPort)], tls };
      await expect(serve('blog@production', 'blog', broken)).rejects.toThrow(
        /cannot load certificate "\/nowhere\/x.pem"/,
      );
      const clash = { serverName: ['shop.test'] };
      await expect(serve('blog@production', 'blog', clash)).rejects.toThrow(/duplicate location/);
      await serve('shop@production', 'next', { serverName: ['shop.test'] });
      expect(await asked('shop.test')).toBe('next');
    });

    it("does not mind another app's dead servers", async () => {
      ports['dead'] = await freePort();
      await serve('blog@production', 'dead', { serverName: ['blog.test'] });
      await serve('shop@production', 'shop', { serverName: ['shop.test'] });
      await serve('shop@production', 'next', { serverName: ['shop.test'] });
      expect([await asked('blog.test'), await asked('shop.test')]).toEqual(['502', 'next']);
      delete ports['dead'];
      await serve('blog@production', 'blog', { serverName: ['blog.test'] });
      expect(await asked('blog.test')).toBe('blog');
    });

    it('leaves the others alone when one goes', async () => {
      await serve('shop@production', 'shop', { serverName: ['shop.test'] });
      await serve('blog@production', 'blog', { serverName: ['shop.test'], pathPrefix: '/blog' });
      await world.proxy.forget('shop@production');
      expect([await asked('shop.test'), await asked('shop.test', '/blog')]).toEqual(['404', 'blog']);
      expect(await world.sh(`cd ${world.root} && ls apps plans generations`)).not.toContain('shop');
    });
  });
