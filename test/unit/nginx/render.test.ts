import type { ProxyConfig } from '@cd-actions/shared/delivery/ports';
import type { Grammar } from '@cd-actions/shared/domain/grammar';
import { absolutePath, appName, versionName } from '@cd-actions/shared/domain/names';
import { listenAddress, matchRule, pathPrefix, serverName } from '@cd-actions/shared/domain/route';
import { locationMatches, render, renderBase, type Settings, serversOf } from '@cd-actions/shared/nginx/render';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shapeOf } from '../../support/nginx-syntax.ts';

const settings: Settings = {
  root: '/etc/nginx/cd-actions',
  instant: true,
  gracefulReload: true,
  http2Directive: true,
  adminPort: 9180,
  accessLog: '/dev/stdout',
  managed: { module: '/usr/lib/nginx/modules/ngx_http_js_module.so', user: 'nginx' },
};
const standing = { token: 't0', lingering: [], fallback: 'cd.shop.production.v1' };

const config: ProxyConfig = {
  id: 'shop@production',
  generation: 7,
  route: { listen: ['80'], serverName: ['shop.example.org'], pathPrefix: '/shop', tls: null, template: null },
  plan: {
    targets: [
      { version: 'v2', weight: 10 },
      { version: 'v1', weight: 90 },
    ],
    rules: [{ kind: 'header', name: 'X-Try', value: 'a.b', version: 'v2' }],
    sticky: true,
    mirror: null,
    maintenance: null,
  },
  pools: [
    { version: 'v1', servers: [{ address: '172.18.0.2', port: 3000 }] },
    { version: 'v2', servers: [{ address: 'fd00::3', port: 3000 }] },
  ],
};

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

describe('the rendered configuration of an app', () => {
  it('has an upstream group for each release, whatever its weight', () => {
    expect(oneLine(render(config, settings, standing).files.get('http.conf') ?? '')).toBe(
      oneLine(`# Upstream groups of shop@production. Idle connections are kept shorter than application servers keep theirs (Node 5 s, gunicorn 2 s).
        upstream cd.shop.production.v1 { zone cd.shop.production.v1 64k; server 172.18.0.2:3000 max_fails=1 fail_timeout=2s; keepalive 64; keepalive_timeout 1500ms; }
        upstream cd.shop.production.v2 { zone cd.shop.production.v2 64k; server [fd00::3]:3000 max_fails=1 fail_timeout=2s; keepalive 64; keepalive_timeout 1500ms; }`),
    );
  });

  it('says without njs who gets what: rules before weights, the newest first', () => {
    const { files } = render(config, { ...settings, instant: false }, standing);
    const http = oneLine(files.get('http.conf') ?? '').replaceAll(/_[0-9a-f]{12}/g, '');
    expect(http).toContain(
      'split_clients "shop@production$cd_client" $cd_weights { 10% cd.shop.production.v2; * cd.shop.production.v1; }',
    );
    expect(http).toContain('map $http_x_try $cd_rule0 { "~^a\\.b$" cd.shop.production.v2; default $cd_weights; }');
    expect(http).toContain('map $request_method $cd_pool { "never" ""; default $cd_rule0; }');
    expect(files.get('admin.conf')).toContain('"generation":7');
  });

  it('has the same structure whatever the plan says with njs, and another one without', () => {
    const moved = {
      ...config,
      generation: 8,
      plan: { ...config.plan, targets: [{ version: 'v1', weight: 100 }], rules: [] },
    };
    const structure = (each: ProxyConfig, instant: boolean): string =>
      render(each, { ...settings, instant }, standing).structure;
    expect(structure(moved, true)).toBe(structure(config, true));
    expect(structure(moved, false)).not.toBe(structure(config, false));
  });

  it('has another structure for another route or other instances', () => {
    const structure = (each: ProxyConfig): string => render(each, settings, standing).structure;
    const changed: ProxyConfig[] = [
      { ...config, route: { ...config.route, listen: ['81'] } },
      { ...config, route: { ...config.route, pathPrefix: '/' } },
      { ...config, route: { ...config.route, tls: { certificate: '/a.pem', key: '/a.key' } } },
      { ...config, pools: [...config.pools, { version: 'v3', servers: [{ address: '10.0.0.1', port: 1 }] }] },
    ];
    expect(new Set([config, ...changed].map(structure)).size).toBe(5);
  });

  it('makes one server for each address and name, shared by every app that names it', () => {
    const route = { ...config.route, listen: ['80', '[::]:80'], serverName: ['a.example.org', '*.example.org'] };
    const keys = serversOf(route).map(({ key }) => key);
    expect(keys.filter((key) => !key.startsWith('+'))).toHaveLength(4);
    expect(keys.every((key) => /^[A-Za-z0-9._+-]+$/.test(key))).toBe(true);
    expect(serversOf({ ...route, pathPrefix: '/other' }).map(({ key }) => key)).toEqual(keys);
  });

  it.each([
    ['/', ['^~ /']],
    ['/api', ['= /api', '^~ /api/']],
    ['/api/', ['= /api', '^~ /api/']],
  ])('owns under %s exactly its own paths', (prefix, matches) => {
    expect(locationMatches(prefix)).toEqual(matches);
  });

  it.each([
    ['server name', { route: { ...config.route, serverName: ['a; } server {'] } }],
    ['listen', { route: { ...config.route, listen: ['80 ssl'] } }],
    ['path', { route: { ...config.route, pathPrefix: '/{' } }],
    ['certificate', { route: { ...config.route, tls: { certificate: '/a b', key: '/k' } } }],
    ['address', { pools: [{ version: 'v1', servers: [{ address: '1.2.3.4;', port: 1 }] }] }],
    ['port', { pools: [{ version: 'v1', servers: [{ address: '1.2.3.4', port: 1.5 }] }] }],
    ['rule', { plan: { ...config.plan, rules: [{ kind: 'cookie', name: 'a', value: '"', version: 'v1' }] } }],
    ['id', { id: 'a@b@c' }],
  ] as [string, Partial<ProxyConfig>][])('refuses a %s that came past every parser', (_, change) => {
    expect(() => render({ ...config, ...change }, settings, standing)).toThrow(/Allowed|app@environment/);
  });
});

/** Strings that a grammar might admit: made of what is dangerous, and of what is allowed. */
const hostile = fc.string({
  maxLength: 30,
  unit: fc.constantFrom(...'abzAZ019._-~/@+*:[]{};\'"\\$#`% \n\r\tü'),
});

/** Those that the grammar really admits; nearly all tries are refused, so that an accepted sample is mixed in. */
const accepted = (grammar: Grammar<unknown>, ...samples: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(hostile, fc.constantFrom(...samples), fc.nat(40)).map(([text, sample, at]) => {
    for (const candidate of [text, sample.slice(0, at) + text + sample.slice(at), sample]) {
      try {
        grammar.parse(candidate);
        return candidate;
      } catch {}
    }
    return sample;
  });

const anyConfig: fc.Arbitrary<ProxyConfig> = fc
  .record({
    app: accepted(appName, 'shop', 'a-b'),
    environment: accepted(appName, 'production'),
    listen: accepted(listenAddress, '80', '127.0.0.1:8080', '[::1]:80'),
    name: accepted(serverName, '*.example.org', 'shop.example.org').filter((name) => name !== '_'),
    prefix: accepted(pathPrefix, '/shop/api').filter((path) => path !== '/'),
    certificate: accepted(absolutePath, '/etc/ssl/a.pem'),
    version: accepted(versionName, 'v1.2.3-rc_1', 'V2').filter((version) => version.toLowerCase() !== 'other'),
    header: accepted(matchRule('header'), 'X-Try=always'),
    cookie: accepted(matchRule('cookie'), 'try=1.0'),
    weight: fc.integer({ min: 1, max: 99 }),
  })
  .map((each) => {
    const rule = (kind: 'header' | 'cookie', text: string) => {
      const [name = '', value = ''] = text.split('=');
      return { kind, name, value, version: each.version };
    };
    return {
      id: `${each.app}@${each.environment}` as const,
      generation: 1,
      route: {
        listen: [each.listen],
        serverName: [each.name],
        pathPrefix: each.prefix,
        tls: { certificate: each.certificate, key: each.certificate },
        template: null,
      },
      plan: {
        targets: [
          { version: each.version, weight: each.weight },
          { version: 'other', weight: 100 - each.weight },
        ],
        rules: [rule('header', each.header), rule('cookie', each.cookie)],
        sticky: true,
        mirror: null,
        maintenance: null,
      },
      pools: [each.version, 'other'].map((version) => ({ version, servers: [{ address: '10.0.0.1', port: 80 }] })),
    };
  });

describe('the shape of what is rendered', () => {
  const shapes = (each: ProxyConfig, instant: boolean) => {
    const { files, servers } = render(each, { ...settings, instant }, { ...standing, fallback: 'cd.x.y.z' });
    return [...files.values(), ...servers.values()]
      .map((text) => shapeOf(text))
      .map((shape) => JSON.stringify(shape))
      .sort();
  };

  it.each([true, false])('is the same for every value that is accepted (njs: %s)', (instant) => {
    let first: readonly string[] | undefined;
    fc.assert(
      fc.property(anyConfig, (each) => {
        first ??= shapes(each, instant);
        expect(shapes(each, instant)).toEqual(first);
      }),
      { numRuns: 500 },
    );
  });

  it('would show a value that gets out of its place', () => {
    const server = (name: string) => shapeOf(`server { server_name ${name}; }`);
    expect(server('a')).toEqual(server('b.c'));
    for (const name of ['a b', 'a; listen 1', 'a; } server { listen 1']) expect(server(name)).not.toEqual(server('a'));
    for (const name of ['a; }', 'a {', '"a']) expect(() => server(name)).toThrow(/block|directive|syntax/);
    expect(server('"a;{}"')).toEqual(server('a'));
  });
});

describe('the shared part', () => {
  it('is recognised by a digest that its token does not change', () => {
    expect(renderBase(settings, 'a'.repeat(32)).base).toBe(renderBase(settings, 'b'.repeat(32)).base);
    expect(renderBase({ ...settings, instant: false }, 'a').base).not.toBe(renderBase(settings, 'a').base);
  });

  it('has no trace of njs where there is none', () => {
    const { files } = renderBase({ ...settings, instant: false, managed: { module: null, user: null } }, 'a');
    expect([...files.values()].join('\n')).not.toMatch(/js_|load_module|\.js/);
  });

  it('cuts the traffic into a hundred buckets', () => {
    const http = renderBase(settings, 'a').files.get('/etc/nginx/cd-actions/http.conf') ?? '';
    const buckets = /\$cd_bucket \{([^}]*)\}/.exec(http)?.[1]?.match(/\d\d;/g);
    expect(buckets).toEqual(Array.from({ length: 100 }, (_, bucket) => `${String(bucket).padStart(2, '0')};`));
  });
});
