import type { Pool, ProxyConfig } from '../delivery/ports.ts';
import { poolName } from '../domain/names.ts';
import type { Route } from '../domain/traffic.ts';
import { admit } from './admit.ts';
import { digest, layout } from './layout.ts';
import { planDigest } from './plan-file.ts';
import { staticTraffic } from './static-traffic.ts';
import { fill, fillLocation } from './template.ts';
import * as templates from './templates.ts';
import * as answers from './templates-answers.ts';
import { trafficScript } from './traffic-script.ts';

/** What the shared part is rendered for. */
export interface Settings {
  readonly root: string;
  /** njs >= 0.8 is there. */
  readonly instant: boolean;
  /** `keepalive_min_timeout` is there (Nginx >= 1.27.4). */
  readonly gracefulReload: boolean;
  /** `http2 on` (Nginx >= 1.25.1) instead of a parameter of `listen`. */
  readonly http2Directive: boolean;
  readonly adminPort: number;
  /** A path, or `off`. */
  readonly accessLog: string;
  /** Null when the main configuration is the user's own. */
  readonly managed: { readonly module: string | null; readonly user: string | null } | null;
}

/** What a generation depends on beside its configuration. */
export interface Standing {
  readonly token: string;
  /** Pools that the plan still in force names and the new configuration has no more: they stay until the next change. */
  readonly lingering: readonly Pool[];
  /** Where an old worker sends what it cannot place. */
  readonly fallback: string;
}

/** The rendered files of one app: those of its generation by relative path, and the servers it needs by key. */
export interface Rendered {
  readonly structure: string;
  readonly files: ReadonlyMap<string, string>;
  readonly servers: ReadonlyMap<string, string>;
  readonly pools: readonly string[];
}

/** The files that all apps share, by absolute path, and the digest that the private server answers for them. */
export function renderBase(settings: Settings, token: string): { base: string; files: ReadonlyMap<string, string> } {
  const at = layout(settings.root);
  const view = { ...settings, buckets: BUCKETS };
  const files = new Map<string, string>();
  if (settings.managed) files.set(at.main, fill(templates.MAIN, { root: settings.root, ...settings.managed }));
  files.set(at.http, fill(templates.HTTP, view));
  if (settings.instant) files.set(at.script, trafficScript(settings.root));
  const admin = (base: string, secret: string): string =>
    fill(templates.ADMIN, { ...settings, port: settings.adminPort, token: secret, base });
  const base = digest(JSON.stringify([...files, admin('', ''), settings]));
  files.set(at.admin, admin(base, token));
  return { base, files };
}

const BUCKETS = Array.from({ length: 99 }, (_, bucket) => String(bucket).padStart(2, '0'));
const BUCKETS_AND_LAST = [...BUCKETS, '99'];

/**
 * One app's configuration as text: a pure function. Throws `UserError` when a value is not admitted.
 * The structure digest covers everything that a worker has to load, and nothing that the dictionary moves.
 */
export function render(config: ProxyConfig, settings: Settings, standing: Standing): Rendered {
  admit(config);
  const plain = appFiles(config, settings, { token: '', lingering: [], fallback: '' });
  const servers = renderServers(config.route, settings);
  const structure = digest(JSON.stringify([...plain, ...servers.keys()]));
  const files = appFiles(config, settings, standing);
  files.set('admin.conf', renderAdmin(config, settings, standing, structure));
  return { structure, files, servers, pools: poolNames(config, standing) };
}

function poolNames(config: ProxyConfig, standing: Standing): readonly string[] {
  return poolsOf(config, standing).map((pool) => poolName(config.id, pool.version));
}

/** Pools with servers, in an order that does not depend on the plan. */
function poolsOf(config: ProxyConfig, standing: Standing): readonly Pool[] {
  return [...config.pools, ...standing.lingering]
    .filter((pool) => pool.servers.length > 0)
    .sort((a, b) => (a.version < b.version ? -1 : 1));
}

function keyOf(config: ProxyConfig, standing: Standing): string {
  return [config.id, standing.fallback, ...poolNames(config, standing), ''].join(' ');
}

function appFiles(config: ProxyConfig, settings: Settings, standing: Standing): Map<string, string> {
  const still = settings.instant ? null : staticTraffic(config);
  const pool = still?.pool ?? '$cd_pool';
  const http = fill(templates.APP_HTTP, {
    id: config.id,
    pools: poolsOf(config, standing).map((each) => ({
      name: poolName(config.id, each.version),
      servers: each.servers.map(({ address, port }) => ({
        address: address.includes(':') ? `[${address}]` : address,
        port,
      })),
    })),
    split: still?.split,
    maps: still?.maps,
    copy: still?.copy && { ...still.copy, buckets: BUCKETS_AND_LAST.slice(0, still.copy.share) },
  });
  const traffic = fill(templates.TRAFFIC, {
    id: config.id,
    instant: settings.instant,
    key: keyOf(config, standing),
    pool,
    cookie: settings.instant ? '$cd_set_cookie' : still?.cookie,
    retryAfter: still?.retryAfter,
    copy: still?.copy,
    page: pageOf(config),
  });
  const location = renderLocation(config, pool, traffic) + renderPage(config, settings);
  const redirect = renderRedirect(config);
  const files = new Map([['http.conf', http]]);
  for (const { key, name, tls } of serversOf(config.route))
    files.set(`locations/${key}.conf`, name === null ? '' : config.route.tls && !tls ? redirect : location);
  if (config.route.maintenancePage !== undefined) files.set('maintenance.html', config.route.maintenancePage);
  return files;
}

/** Where the page of the user's own is found inside Nginx; null for the built-in one. */
function pageOf(config: ProxyConfig): string | null {
  return config.route.maintenancePage === undefined ? null : `/.cd-actions/maintenance/${config.id}`;
}

function renderPage(config: ProxyConfig, settings: Settings): string {
  const page = pageOf(config);
  return page === null ? '' : fill(answers.PAGE, { page, id: config.id, root: settings.root });
}

function renderRedirect({ id, route }: ProxyConfig): string {
  const port = route.listen[0]?.split(':').at(-1);
  const paths = locationMatches(route.pathPrefix).map((match) => ({ match }));
  return fill(answers.REDIRECT, { id, paths, port: port === '443' ? '' : `:${port}` });
}

function renderLocation(config: ProxyConfig, pool: string, traffic: string): string {
  const [app = '', environment = ''] = config.id.split('@');
  const { pathPrefix, template } = config.route;
  const view = {
    id: config.id,
    app,
    environment,
    prefix: pathPrefix,
    paths: locationMatches(pathPrefix).map((match) => ({ match })),
    upstream: `http://${pool}`,
    traffic,
    proxy: fill(templates.PROXY, { pool }),
  };
  return fillLocation(template ?? templates.LOCATION, view, template !== null);
}

/** `/api` owns `/api` and `/api/...` but not `/apiary`; `^~` lets it win over the server's own catch-all. */
export function locationMatches(prefix: string): readonly string[] {
  const bare = prefix.replace(/\/$/, '');
  return bare === '' ? ['^~ /'] : [`= ${bare}`, `^~ ${bare}/`];
}

function renderAdmin(config: ProxyConfig, settings: Settings, standing: Standing, structure: string): string {
  return fill(templates.APP_ADMIN, {
    id: config.id,
    instant: settings.instant,
    key: keyOf(config, standing),
    structure,
    token: standing.token,
    generation: config.generation,
    digest: planDigest(config.plan),
  });
}

interface Server {
  readonly key: string;
  readonly listen: string;
  /** Null for the names that nobody has. */
  readonly name: string | null;
  readonly tls: Route['tls'];
}

/** One server block for each address and name, so that apps which share one of several names still share its block. */
export function serversOf(route: Route): readonly Server[] {
  const certified = route.tls ? digest(`${route.tls.certificate} ${route.tls.key}`).slice(0, 8) : 'plain';
  const names = [...new Set(route.serverName.map((name) => name.toLowerCase()))];
  const on = (listens: readonly string[], tls: Route['tls']): readonly Server[] =>
    [...new Set(listens)].flatMap((listen) =>
      names.map((name) => {
        const readable = `${listen}_${name}`.replaceAll(/[^a-z0-9.-]/gi, '_');
        const key = `${readable}_${digest(`${listen} ${name}`).slice(0, 8)}_${tls ? certified : 'plain'}`;
        return { listen, name, key, tls };
      }),
    );
  return [
    ...on(route.listen, route.tls),
    ...on(route.redirect ?? [], null),
    // An app for any name is one for those that nobody has.
    ...(names.includes('_') ? [] : [...nobody(route.listen, route.tls), ...nobody(route.redirect ?? [], null)]),
  ];
}

/** Nginx gives what it cannot place to the first server of an address: `+` comes before every address. */
function nobody(listens: readonly string[], tls: Route['tls']): readonly Server[] {
  return [...new Set(listens)].map((listen) => {
    const readable = listen.replaceAll(/[^0-9.]/g, '_');
    return { listen, name: null, tls, key: `+${readable}_${digest(listen).slice(0, 8)}_${tls ? 'tls' : 'plain'}` };
  });
}

function renderServers(route: Route, settings: Settings): ReadonlyMap<string, string> {
  return new Map(
    serversOf(route).map(({ key, listen, name, tls }) => [
      key,
      fill(name === null ? answers.NOBODY : templates.SERVER, {
        listen,
        name,
        any: name === '_',
        tls,
        http2Directive: settings.http2Directive,
        http2Listen: !settings.http2Directive,
        gracefulReload: settings.gracefulReload,
        accessLog: settings.accessLog,
        logged: settings.accessLog !== 'off',
        root: settings.root,
        server: key,
      }),
    ]),
  );
}
