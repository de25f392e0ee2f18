import { resolveEndpoint } from '@cd-actions/shared/engine/endpoint';
import { describe, expect, it } from 'vitest';

const CONFIG = { directory: '/nowhere', currentContext: '', auths: {}, credHelpers: {}, credsStore: '' };
const resolve = (host: string | null, env: Record<string, string> = {}) => resolveEndpoint(host, env, CONFIG);

describe('where an engine is', () => {
  it.each([
    ['unix:///run/x.sock', { kind: 'socket', path: '/run/x.sock' }],
    ['tcp://10.0.0.1:2375', { kind: 'tcp', host: '10.0.0.1', port: 2375, tls: null }],
    ['tcp://[::1]:80', { kind: 'tcp', host: '::1', port: 80, tls: null }],
    ['ssh://deploy@web1', { kind: 'ssh', target: 'deploy@web1', port: null }],
    ['ssh://web1:2222', { kind: 'ssh', target: 'web1', port: 2222 }],
    ['ssh://deploy@web1:80', { kind: 'ssh', target: 'deploy@web1', port: 80 }],
  ])('%s', (host, endpoint) => {
    expect(resolve(host)).toEqual(endpoint);
  });

  it('is the default when none is named', () => {
    expect(resolve(null)).toEqual({ kind: 'socket', path: '/var/run/docker.sock' });
    expect(resolve(null, { DOCKER_HOST: '10.0.0.1:2375' })).toMatchObject({ host: '10.0.0.1', port: 2375 });
    expect(() => resolve(null, { DOCKER_CONTEXT: 'gone' })).toThrow(/"gone" cannot be used/);
  });

  it('refuses what is no address, an option in disguise, and TLS without certificates', () => {
    for (const host of ['http://x', 'tcp://x', 'ssh://-oProxyCommand=x', 'ssh://a@-x', 'ssh://x:99999', 'unix://x'])
      expect(() => resolve(host)).toThrow(/Docker host/);
    expect(() => resolve('tcp://10.0.0.1:2376')).toThrow(/no client certificate/);
    expect(() => resolve('tcp://10.0.0.1:4000', { DOCKER_TLS_VERIFY: '1' })).toThrow(/no client certificate/);
  });
});
