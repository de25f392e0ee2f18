/** What the bench compares: each moves all traffic between the same two instances, under the same load. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { containerWorkers, type Ours, type Workers } from './ours.ts';
import { shell } from './shell.ts';

export interface Subject {
  readonly name: string;
  readonly url: string;
  /** Resolves when it acknowledges; `acknowledged` is called sooner where the work goes on after that, such as draining. */
  flip(version: string, acknowledged: () => void): Promise<void>;
  workers(): Promise<Workers | null>;
  close(): Promise<void>;
}

const ROOT = resolve(import.meta.dirname, '../..');
export const KAMAL = join(ROOT, '.cache/go/bin/kamal-proxy');

/** Ours, on whichever Nginx, by the whole story: lease, journal, activation, draining. */
export function oursAs(name: string, ours: Ours, activation: 'auto' | 'reload'): Subject {
  return {
    name,
    url: ours.url,
    flip: async (version, acknowledged) => {
      // A story may first confirm what is live already; the flip is acknowledged when the other version has no weight.
      const left = version === 'v1' ? 'v2' : 'v1';
      ours.onAcknowledged = (without) => without.includes(left) && acknowledged();
      await ours.flip(version, { activation, drainTimeout: 10_000 });
      ours.onAcknowledged = () => undefined;
    },
    workers: ours.workers,
    close: async () => undefined,
  };
}

export interface Place {
  readonly network: string;
  readonly image: string;
  /** Of the two instances, `address:port` by version. */
  readonly servers: Readonly<Record<string, string>>;
  readonly mark: string;
}

/** A container of the bench's own on the network of the instances; its address. */
export async function runContainer(name: string, { network, image }: Place, rest: readonly string[]): Promise<string> {
  await shell('docker', [
    'run',
    '-d',
    '--name',
    name,
    '--network',
    network,
    ...rest.slice(0, -1),
    '--entrypoint',
    'sh',
    image,
    '-c',
    `ulimit -n "$(ulimit -H -n)"; ${rest.at(-1)}`,
  ]);
  const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return (await shell('docker', ['inspect', '-f', format, name])).trim();
}

export async function removeContainer(name: string): Promise<void> {
  await shell('docker', ['rm', '-f', '-v', name]).catch(() => undefined);
}

/** Nginx in a container with a configuration written by hand, which a script rewrites and reloads. */
export async function handWritten(place: Place): Promise<Subject> {
  const name = `cd-bench-script-${place.mark}`;
  const conf = handWrittenConfig(`server ${place.servers['v1']};`);
  const address = await runContainer(name, place, [
    `cat > /etc/nginx/nginx.conf <<'END'\n${conf}END\nexec nginx -g 'daemon off;'`,
  ]);
  await wait(500);
  return {
    name: 'script: nginx -t && nginx -s reload',
    url: `http://${address}:80`,
    flip: async (version, acknowledged) => {
      const edit = `sed -i 's/server [0-9.:]*;/server ${place.servers[version]};/' /etc/nginx/nginx.conf`;
      await shell('docker', ['exec', name, 'sh', '-c', `${edit} && nginx -t && nginx -s reload`]);
      acknowledged();
    },
    workers: () => containerWorkers(name),
    close: () => removeContainer(name),
  };
}

/** What most people write. */
function handWrittenConfig(server: string): string {
  return `worker_processes auto;
error_log /dev/stderr warn;
events { worker_connections 8192; }
http {
  access_log off;
  upstream app { ${server} keepalive 64; }
  server {
    listen 80;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
    }
  }
}
`;
}

/** kamal-proxy in a container; null when it is not there and cannot be built. */
export async function kamalProxy(place: Place): Promise<Subject | null> {
  if (!existsSync(KAMAL)) return null;
  const name = `cd-bench-kamal-${place.mark}`;
  const address = await runContainer(name, place, [
    '-v',
    `${KAMAL}:/usr/local/bin/kamal-proxy:ro`,
    'exec kamal-proxy run --http-port 80 --https-port 443 >/dev/null 2>&1',
  ]);
  await wait(500);
  const options = ['--health-check-path', '/health', '--health-check-interval', '100ms', '--drain-timeout', '10s'];
  const flip = async (version: string, acknowledged: () => void): Promise<void> => {
    const target = ['--target', place.servers[version] ?? ''];
    await shell('docker', ['exec', name, 'kamal-proxy', 'deploy', 'bench', ...target, ...options]);
    acknowledged();
  };
  await flip('v1', () => undefined);
  return {
    name: 'kamal-proxy deploy',
    url: `http://${address}:80`,
    flip,
    workers: async () => null,
    close: () => removeContainer(name),
  };
}
