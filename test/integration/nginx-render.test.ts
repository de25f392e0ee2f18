import { readInputs } from '@cd-actions/shared/action/inputs';
import type { Context } from '@cd-actions/shared/delivery/ports';
import type { Deployment } from '@cd-actions/shared/domain/deployment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check, inputs } from '../../actions/render-nginx/src/inputs.ts';
import { main, type RenderedConfig } from '../../actions/render-nginx/src/main.ts';
import { realClock } from '../support/clock.ts';
import { memoryLog } from '../support/delivery-world.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { apply, configOf, localWorld, type NginxWorld } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';
import { aHolder, aRelease, aRun, aTraffic } from '../support/records.ts';

describe.skipIf(!parts.nginx)('render-nginx on a real Nginx', () => {
  let world: NginxWorld;
  let context: Context;
  const saved: string[] = [];
  const live = aTraffic(4, 'v1');

  beforeAll(async () => {
    world = await localWorld();
    const registry = new FakeRegistry();
    const id = 'shop@production';
    const taken = await registry.acquire(id, aHolder('1'), 10_000);
    if (!('lease' in taken)) throw new Error('the lease is taken');
    const route = { ...live.route, listen: [String(world.port)] };
    const releases: Deployment['releases'] = [aRelease('v1', 1), aRelease('v2', 2)];
    await registry.write(id, taken.lease, { releases, traffic: { ...live, route } });
    const pools = releases.map(({ version, instances }) => ({
      version,
      servers: instances.map(({ address, port }) => ({ address, port })),
    }));
    await apply(world.proxy, { ...configOf(world, {}, 4, live.plan.targets), pools });
    const fleet = { engines: [], proxies: [world.proxy] };
    const signal = new AbortController().signal;
    context = { id, registry, fleet, clock: realClock, log: memoryLog(), run: aRun('1'), signal, lockWait: 0 };
  });
  afterAll(() => world?.close());

  const run = (given: Record<string, string>): Promise<RenderedConfig> => {
    const all: Record<string, string> = { app: 'shop', listen: String(world.port), ...given };
    const save = async (contents: string): Promise<string> => `file ${saved.push(contents)}`;
    return main(
      readInputs(inputs, (name) => all[name] ?? '', check),
      { context, save, read: async () => '' },
    );
  };

  it('shows what a switch would bring and changes nothing live', async () => {
    const before = await world.sh(`cd ${world.root} && ls -R apps servers plans generations staging`);
    const result = await run({ version: 'v2', weight: '10' });
    expect(result).toMatchObject({ generation: 5, changed: true, valid: true, refusal: '' });
    expect(result.diff).toContain('+    10% cd.shop.production.v2;');
    expect(saved.at(-1)).toContain('upstream cd.shop.production.v2 {');
    expect(await world.sh(`cd ${world.root} && ls -R apps servers plans generations staging`)).toBe(before);
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 4 });
  });

  it('shows no difference for what is live', async () => {
    expect(await run({ version: 'v1' })).toMatchObject({ generation: 4, changed: false, diff: '', valid: true });
  });

  it('says what Nginx says when it refuses', async () => {
    const tls = { 'tls-certificate': '/nowhere/cert.pem', 'tls-certificate-key': '/nowhere/key.pem' };
    expect(await run({ version: 'v2', ...tls })).toMatchObject({
      valid: false,
      changed: false,
      refusal: expect.stringContaining('/nowhere/cert.pem'),
    });
  });

  it('refuses a version that is not registered', async () => {
    await expect(run({ version: 'v9' })).rejects.toThrow(/v9/);
  });
});
