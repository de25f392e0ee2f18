import type { Context } from '@cd-actions/shared/delivery/ports';
import { register } from '@cd-actions/shared/delivery/register';
import { rollback } from '@cd-actions/shared/delivery/rollback';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aRegistration, type DeliveryWorld, deliveryWorld, servedVersion } from '../support/delivery-world.ts';
import { get } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';
import { switchWith } from '../support/switching.ts';

const TEMPLATE = `# The place of {{app}} ({{environment}}).
{{#paths}}
location {{match}} {
{{traffic}}
    add_header X-Frame-Options DENY always;
    client_body_timeout 7s;
{{proxy}}
}
{{/paths}}
location = {{prefix}}robots.txt {
    return 200 "none";
}
`;

describe.skipIf(!parts.docker || !parts.images || !parts.redis)(
  "a template of the user's own",
  { timeout: 120_000 },
  () => {
    let world: DeliveryWorld;
    let ctx: Context;

    const move = (version: string, template: string) =>
      switchWith(
        ctx,
        { version, listen: String(world.at.port), template: 'deploy/nginx.mustache', output: 'out.conf' },
        { 'deploy/nginx.mustache': template },
      );
    const shown = async () => {
      const [page, robots] = [await get(world.publicUrl), await get(`${world.publicUrl}/robots.txt`)];
      return [page.status, page.headers['x-version'], page.headers['x-frame-options'], robots.body];
    };

    beforeAll(async () => {
      world = await deliveryWorld();
      ctx = await world.context();
      for (const proxy of ctx.fleet.proxies) await proxy.prepare();
      for (const version of ['v1', 'v2']) await register(ctx, aRegistration(version));
    }, 60_000);
    afterAll(() => world?.close());

    it('serves the app as it says, and moves traffic at once', async () => {
      const { written } = await move('v1', TEMPLATE);
      expect(written).toContain('client_body_timeout 7s;');
      expect(await shown()).toEqual([200, 'v1', 'DENY', 'none']);
      expect((await move('v2', TEMPLATE)).moved.how).toBe('instant');
      expect(await shown()).toEqual([200, 'v2', 'DENY', 'none']);
    });

    it('stays through maintenance, a rollback and what puts the hosts in order', async () => {
      await switchWith(ctx, { maintenance: 'on' });
      expect((await get(world.publicUrl)).status).toBe(503);
      await rollback(ctx, { toVersion: 'v1', reason: '', drainTimeout: 3000, force: false });
      expect(await shown()).toEqual([200, 'v1', 'DENY', 'none']);
      const { traffic } = await ctx.registry.read(ctx.id);
      expect(traffic?.route.template).toBe(TEMPLATE);
    });

    it("is refused with Nginx's words when Nginx cannot read it, and nothing changes", async () => {
      const before = await ctx.registry.read(ctx.id);
      const wrong = TEMPLATE.replace('client_body_timeout 7s', 'client_body_timeuot 7s');
      await expect(move('v2', wrong)).rejects.toThrow(/unknown directive "client_body_timeuot"/);
      await expect(move('v2', TEMPLATE.replace('{{traffic}}', ''))).rejects.toThrow(/`{{traffic}}` lines/);
      expect(await ctx.registry.read(ctx.id)).toEqual(before);
      expect(await servedVersion(world.publicUrl)).toBe('v1');
    });
  },
);
