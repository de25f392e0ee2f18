/** Requests a second through each proxy to the same two servers, in turns. */
import { setTimeout as wait } from 'node:timers/promises';
import type { ProxyConfig } from '@cd-actions/shared/delivery/ports';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import type { Target } from '@cd-actions/shared/domain/traffic';
import { connect } from '@cd-actions/shared/engine/connect';
import { containerProxy } from '@cd-actions/shared/nginx/container-host';
import { realClock } from '../support/clock.ts';
import { parts } from '../support/parts.ts';
import { readWrk } from './load.ts';
import { goFirst, shell } from './shell.ts';
import { kamalProxy, type Place, removeContainer, runContainer } from './subjects.ts';

export interface Throughput {
  readonly name: string;
  /** Requests a second, one per round. */
  readonly rates: readonly number[];
  /** Microseconds of processor time that the proxy's container took for a request, one per round: says the same on a busy machine. */
  readonly processor: readonly number[];
  readonly errors: number;
}

interface Proxied {
  readonly name: string;
  readonly container: string;
  readonly url: string;
  close(): Promise<void>;
}

/** Half of the requests each, so that the choice is made for every request and none is lost to a branch that is never taken. */
const CANARY: readonly Target[] = [
  { version: 'v2', weight: 50 },
  { version: 'v1', weight: 50 },
];

export async function throughput(
  network: string,
  mark: string,
  rounds: number,
  seconds: number,
): Promise<readonly Throughput[]> {
  const closing: (() => Promise<void>)[] = [];
  try {
    const place = await backends(network, mark, closing);
    const targets = [
      await plain(place, 'plain Nginx, one upstream', false),
      await plain(place, 'plain Nginx, split_clients canary', true),
      ...(await ours(place)),
    ];
    closing.push(...targets.map((target) => target.close));
    const kamal = await kamalProxy({ ...place, mark: `${mark}-t` });
    if (kamal) targets.push({ ...kamal, name: 'kamal-proxy, one target', container: `cd-bench-kamal-${mark}-t` });
    if (kamal) closing.push(kamal.close);
    await goFirst([`cd-bench-backend-${mark}`, ...new Set(targets.map(({ container }) => container))]);
    const results = new Map(
      targets.map(({ name }) => [name, { rates: [] as number[], processor: [] as number[], errors: 0 }]),
    );
    for (let round = 0; round <= rounds; round += 1) {
      // Every round begins elsewhere, so that nobody always runs after the same neighbour. The first only warms up.
      const order = targets.map((_, index) => targets[(index + round) % targets.length] as Proxied);
      for (const { name, url, container } of order) {
        const args = ['-t2', '-c64', `-d${round === 0 ? 1 : seconds}s`, url];
        const before = await processorTime(container);
        const ran = readWrk(await shell('wrk', args));
        const used = (await processorTime(container)) - before;
        const result = results.get(name);
        if (round === 0 || !result) continue;
        result.rates.push(ran.rate);
        result.processor.push(used / ran.requests);
        result.errors += ran.socketErrors + ran.non2xx;
      }
    }
    return [...results].map(([name, result]) => ({ name, ...result }));
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Microseconds that a container has used so far. */
async function processorTime(container: string): Promise<number> {
  const { docker, close } = await connect(`unix://${parts.docker?.socket}`);
  try {
    const stats = await docker.getContainer(container).stats({ stream: false, 'one-shot': true });
    return stats.cpu_stats.cpu_usage.total_usage / 1000;
  } finally {
    close();
  }
}

/** An Nginx that answers from memory: never the bottleneck. */
async function backends(network: string, mark: string, closing: (() => Promise<void>)[]): Promise<Place> {
  const name = `cd-bench-backend-${mark}`;
  const image = parts.images?.nginx ?? '';
  const server = (version: string, port: number): string =>
    `server { listen ${port}; add_header X-Version ${version}; location / { return 200 "${version} ${'x'.repeat(200)}"; } }`;
  const conf = `worker_processes auto; events { worker_connections 8192; } http { access_log off; keepalive_requests 1000000; ${server('v1', 8001)} ${server('v2', 8002)} }`;
  const place = { network, image, servers: {}, mark };
  closing.push(() => removeContainer(name));
  const address = await runContainer(name, place, [
    `cat > /etc/nginx/nginx.conf <<'END'\n${conf}\nEND\nexec nginx -g 'daemon off;'`,
  ]);
  return { ...place, servers: { v1: `${address}:8001`, v2: `${address}:8002` } };
}

/** Logs as ours does: what is compared is the way a request takes. */
async function plain(place: Place, title: string, canary: boolean): Promise<Proxied> {
  const name = `cd-bench-plain-${canary ? 'canary' : 'one'}-${place.mark}`;
  const upstream = (version: string): string =>
    `upstream ${version} { zone ${version} 64k; server ${place.servers[version]}; keepalive 64; }`;
  const conf = `worker_processes auto; events { worker_connections 8192; }
http {
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';
  access_log /dev/stdout main buffer=64k flush=1s;
  sendfile on; tcp_nopush on;
  ${upstream('v1')} ${upstream('v2')}
  split_clients "$request_id" $canary { 50% v2; * v1; }
  server {
    listen 80;
    location / {
      proxy_pass http://${canary ? '$canary' : 'v1'};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}`;
  const address = await runContainer(name, place, [
    `cat > /etc/nginx/nginx.conf <<'END'\n${conf}\nEND\nexec nginx -g 'daemon off;'`,
  ]);
  await wait(300);
  return { name: title, container: name, url: `http://${address}/`, close: () => removeContainer(name) };
}

async function ours(place: Place): Promise<readonly Proxied[]> {
  const container = `cd-bench-ours-${place.mark}`;
  const { docker, close } = await connect(`unix://${parts.docker?.socket}`);
  // Published ports of the loopback alone would need free ones; the bench goes to the container's address.
  const ports = [28_301, 28_302];
  const base = {
    name: 'local',
    docker,
    container,
    image: place.image,
    network: place.network,
    clock: realClock,
    ensureNetwork: async () => undefined,
  };
  const proxy = containerProxy({ ...base, ports });
  await proxy.prepare();
  const apply = async (id: DeploymentId, port: number, targets: readonly Target[]): Promise<void> => {
    const config: ProxyConfig = {
      id,
      generation: 1,
      route: { listen: [String(port)], serverName: ['_'], pathPrefix: '/', tls: null, template: null },
      plan: { targets, rules: [], sticky: true, mirror: null, maintenance: null },
      pools: Object.entries(place.servers).map(([version, server]) => {
        const [address = '', serverPort = ''] = server.split(':');
        return { version, servers: [{ address, port: Number(serverPort) }] };
      }),
    };
    await proxy.activate(await proxy.stage(config), 'auto', new AbortController().signal);
  };
  await apply('canary@bench', ports[0] ?? 0, CANARY);
  await apply('single@bench', ports[1] ?? 0, [{ version: 'v1', weight: 100 }]);
  const { NetworkSettings } = await docker.getContainer(container).inspect();
  const address = NetworkSettings.Networks[place.network]?.IPAddress;
  const remove = async (): Promise<void> => {
    await proxy.close();
    close();
    await removeContainer(container);
    await shell('docker', ['volume', 'rm', `${container}-config`]).catch(() => undefined);
  };
  return [
    { name: 'cd-actions, canary', container, url: `http://${address}:${ports[0]}/`, close: remove },
    { name: 'cd-actions, one version', container, url: `http://${address}:${ports[1]}/`, close: async () => undefined },
  ];
}
