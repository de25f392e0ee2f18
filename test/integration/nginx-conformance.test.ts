import type { ProxyConfig, Proxy as ProxyPort } from '@cd-actions/shared/delivery/ports';
import { UserError } from '@cd-actions/shared/domain/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeProxy } from '../support/fake-proxy.ts';
import { all, apply, backend, configOf, containerWorld, localWorld } from '../support/nginx-world.ts';
import { parts } from '../support/parts.ts';

interface Subject {
  readonly proxy: ProxyPort;
  readonly port: number;
  readonly backendAddress: string;
  close(): Promise<void>;
}

const fakeWorld = async (instant: boolean): Promise<Subject> => {
  const proxy = new FakeProxy({ instant });
  await proxy.prepare();
  return { proxy, port: 80, backendAddress: '10.0.0.1', close: async () => undefined };
};

const signal = new AbortController().signal;

/** What the delivery stories rely on, whatever stands behind the port. */
function conformance(open: () => Promise<Subject>): void {
  let world: Subject;
  let ports: Record<string, number>;
  let closing: (() => Promise<void>)[] = [];
  const config = (generation: number, version: string, more: Parameters<typeof configOf>[4] = {}): ProxyConfig =>
    configOf(world, ports, generation, all(version), more);

  beforeAll(async () => {
    const servers = { v1: await backend('v1'), v2: await backend('v2') };
    closing = Object.values(servers).map((server) => server.close);
    ports = { v1: servers.v1.port, v2: servers.v2.port };
    world = await open();
  });
  afterAll(async () => {
    await world?.close();
    for (const close of closing) await close();
  });

  it('is prepared again without a change', async () => {
    expect(await world.proxy.prepare()).toEqual(await world.proxy.capabilities());
  });

  it('knows nothing of a deployment that it was never told', async () => {
    expect(await world.proxy.state('none@production')).toBeNull();
    expect(await world.proxy.lastKnownGood('none@production')).toBeNull();
  });

  it('stages without any effect on what is live', async () => {
    const staged = await world.proxy.stage(config(1, 'v1'));
    expect(staged).toMatchObject({ needsReload: true, config: config(1, 'v1') });
    expect(staged.diff).not.toBe('');
    expect(await world.proxy.state('shop@production')).toBeNull();
    await world.proxy.discard(staged);
    await expect(world.proxy.activate(staged, 'auto', signal)).rejects.toThrow('not staged');
  });

  it('serves what was activated, and remembers it', async () => {
    expect(await apply(world.proxy, config(1, 'v1'))).toMatchObject({ how: 'reload' });
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 1 });
    expect(await world.proxy.lastKnownGood('shop@production')).toEqual(config(1, 'v1'));
  });

  it('has nothing to do when it is told the same', async () => {
    const staged = await world.proxy.stage(config(1, 'v1'));
    expect(staged).toMatchObject({ diff: '', needsReload: false });
    expect(await world.proxy.activate(staged, 'auto', signal)).toMatchObject({ how: 'nothing' });
  });

  it('moves traffic without a reload exactly where it says that it can', async () => {
    const { instant } = await world.proxy.capabilities();
    const staged = await world.proxy.stage(config(2, 'v2'));
    expect(staged.needsReload).toBe(!instant);
    expect(await world.proxy.activate(staged, 'auto', signal)).toMatchObject({ how: instant ? 'instant' : 'reload' });
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 2 });
    expect(await world.proxy.lastKnownGood('shop@production')).toEqual(config(2, 'v2'));
  });

  it('reloads when told to, and refuses to be instant when the releases change', async () => {
    expect(await apply(world.proxy, config(3, 'v1'), 'reload')).toMatchObject({ how: 'reload' });
    const fewer = { ...config(4, 'v1'), pools: config(4, 'v1').pools.slice(0, 1) };
    await expect(apply(world.proxy, fewer, 'instant')).rejects.toThrow(UserError);
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 3 });
  });

  it('refuses a plan with a version that has no instance, and one whose weights are wrong', async () => {
    await expect(world.proxy.stage(config(4, 'v9'))).rejects.toThrow(/v9 .* no running instance/);
    const short = config(4, 'v1', { plan: { targets: [{ version: 'v1', weight: 99 }] } });
    await expect(world.proxy.stage(short)).rejects.toThrow(/sum to 99/);
  });

  it('does nothing once it is aborted', async () => {
    const staged = await world.proxy.stage(config(5, 'v2'));
    await expect(world.proxy.activate(staged, 'auto', AbortSignal.abort(new Error('cancelled')))).rejects.toThrow(
      'cancelled',
    );
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 3 });
  });

  it('keeps deployments apart, and forgets one without the other', async () => {
    const id = 'shop@staging';
    await apply(world.proxy, config(1, 'v2', { id, pathPrefix: '/staging' }));
    expect(await world.proxy.state(id)).toMatchObject({ generation: 1 });
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 3 });
    await world.proxy.forget(id);
    expect(await world.proxy.state(id)).toBeNull();
    expect(await world.proxy.lastKnownGood(id)).toBeNull();
    expect(await world.proxy.state('shop@production')).toMatchObject({ generation: 3 });
  });

  it('counts no connection to a pool that nobody uses', async () => {
    expect(await world.proxy.connections({ version: 'v9', servers: [{ address: '10.255.0.1', port: 9 }] })).toBeTypeOf(
      'number',
    );
  });
}

describe('the fake with njs', () => conformance(() => fakeWorld(true)));
describe('the fake without njs', () => conformance(() => fakeWorld(false)));
describe.skipIf(!parts.docker || !parts.images)('the managed container', () => conformance(containerWorld));
describe.skipIf(!parts.nginx)("the host's own Nginx", () => conformance(localWorld));
