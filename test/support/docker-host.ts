import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parts } from './parts.ts';

/**
 * A Docker host of a test's own on this machine: a `dockerd` with its containerd in a network namespace, with its own data, images
 * and bridge networks. It can be stopped, killed and started again, which nobody may do to the machine's own engine.
 */
export interface DockerHost {
  /** `unix://…`, as in the input `hosts`. */
  readonly url: string;
  readonly socket: string;
  /** Where the ports that its containers publish are reached. */
  readonly address: string;
  /** A program's command line as it is started on that host: in its network, where its ports are on the loopback too. */
  inside(program: string, args: readonly string[]): readonly [string, readonly string[]];
  /** SIGTERM, as `systemctl stop docker` does it: its containers are stopped too. */
  stop(): Promise<void>;
  /** SIGKILL of the engine and of every process it has started, as when the machine loses power. */
  kill(): Promise<void>;
  /** Starts the engine again on the same data; resolves when it answers. Its containers come back by their restart policy. */
  start(): Promise<void>;
  /** Ends everything and leaves nothing behind. */
  close(): Promise<void>;
}

const PREFIX = 'cdt';
const START_LIMIT = 40_000;
const STOP_LIMIT = 30_000;
const REQUIRED = ['dockerd', 'containerd', 'ip', 'nsenter', 'iptables'] as const;

/** Why no host of its own can be started here; empty when it can. */
export function withoutDockerHost(): string {
  if (!parts.docker || !parts.images) return 'there is no Docker engine to take the images from';
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a network namespace takes Linux and root';
  const missing = REQUIRED.filter((program) => which(program) === '');
  return missing.length > 0 ? `${missing.join(', ')} is not installed (iproute2, util-linux, iptables, docker.io)` : '';
}

function which(program: string): string {
  const found = spawnSync('sh', ['-c', 'PATH="$PATH:/usr/sbin:/sbin"; command -v "$1"', 'sh', program]);
  return found.status === 0 ? found.stdout.toString().trim() : '';
}

/**
 * Starts a host with the given images, or without any. Bounded: it answers within 40 seconds or fails with its own log.
 * `bridge`: with Docker's default network too, as a machine has it.
 */
export async function startDockerHost(
  images: readonly string[],
  { bridge = false }: { readonly bridge?: boolean } = {},
): Promise<DockerHost> {
  sweep();
  const name = `${PREFIX}${process.pid}x${randomInt(16 ** 3).toString(16)}`;
  const host = new NamespacedHost(name, join(home(), name), bridge);
  try {
    host.layNetwork();
    await host.start();
    host.load(images);
    return host;
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Beside the data of the machine's own engine: where that one can stack overlays, so can this one. */
function home(): string {
  const root = execFileSync('docker', ['info', '--format', '{{.DockerRootDir}}'], { encoding: 'utf8' }).trim();
  return dirname(root);
}

class NamespacedHost implements DockerHost {
  readonly url: string;
  readonly socket: string;
  readonly address: string;
  readonly #name: string;
  readonly #directory: string;
  readonly #gateway: string;
  readonly #bridge: boolean;
  #daemon: ChildProcess | null = null;

  constructor(name: string, directory: string, bridge: boolean) {
    this.#name = name;
    this.#bridge = bridge;
    this.#directory = directory;
    this.socket = join(directory, 'docker.sock');
    this.url = `unix://${this.socket}`;
    // From the block that RFC 2544 sets apart for tests of network devices: nothing else routes there.
    const net = `198.18.${randomInt(256)}.${4 * randomInt(64)}`.split('.');
    const at = (last: number): string => [...net.slice(0, 3), Number(net[3]) + last].join('.');
    this.#gateway = at(1);
    this.address = at(2);
  }

  inside(program: string, args: readonly string[]): readonly [string, readonly string[]] {
    return [which('nsenter'), [`--net=/run/netns/${this.#name}`, program, ...args]];
  }

  layNetwork(): void {
    mkdirSync(this.#directory, { recursive: true });
    // Of its own, or it would read the machine's.
    writeFileSync(join(this.#directory, 'daemon.json'), '{}');
    const [outside, inside] = [`${this.#name}o`, `${this.#name}i`];
    const name = this.#name;
    ip('netns', 'add', name);
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name);
    ip('addr', 'add', `${this.#gateway}/30`, 'dev', outside);
    ip('link', 'set', outside, 'up');
    ip('-n', name, 'addr', 'add', `${this.address}/30`, 'dev', inside);
    ip('-n', name, 'link', 'set', inside, 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'route', 'add', 'default', 'via', this.#gateway);
  }

  async start(): Promise<void> {
    const file = (each: string): string => join(this.#directory, each);
    rmSync(file('docker.pid'), { force: true });
    const log = openSync(file('dockerd.log'), 'a');
    // `ip netns exec` would hide the control groups behind a new /sys: only the network is entered.
    const daemon = spawn(
      which('nsenter'),
      [
        `--net=/run/netns/${this.#name}`,
        which('dockerd'),
        '--host',
        this.url,
        '--data-root',
        file('data'),
        '--exec-root',
        file('run'),
        '--pidfile',
        file('docker.pid'),
        ...(this.#bridge ? [] : ['--bridge', 'none']),
        // A machine may have a containerd of its own, which `dockerd` then uses: the names keep the two engines apart.
        '--containerd-namespace',
        this.#name,
        '--containerd-plugins-namespace',
        `${this.#name}-plugins`,
        '--config-file',
        file('daemon.json'),
      ],
      { stdio: ['ignore', log, log], detached: true },
    );
    this.#daemon = daemon;
    const limit = Date.now() + START_LIMIT;
    while (!answers(this.socket)) {
      if (daemon.exitCode !== null || Date.now() > limit) throw new Error(`dockerd did not start:\n${this.#lastLog()}`);
      await wait(100);
    }
  }

  load(images: readonly string[]): void {
    if (images.length === 0) return;
    const script = 'socket=$1; shift; docker save "$@" | docker -H "$socket" load';
    execFileSync('sh', ['-c', script, 'sh', this.url, ...images], { stdio: 'pipe', timeout: 120_000 });
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    const daemon = this.#end('SIGKILL');
    for (const pid of processesOf(this.#directory, this.#name)) signal(pid, 'SIGKILL');
    await daemon;
    // What a machine keeps in memory alone is gone too.
    unmount(`${this.#directory}/`);
    rmSync(join(this.#directory, 'run'), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    if (this.#daemon && answers(this.socket)) removeContainers(this.url);
    await this.#end('SIGTERM');
    clean(this.#name, this.#directory);
  }

  async #end(how: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, 'exit');
    daemon.kill(how);
    const late = setTimeout(() => daemon.kill('SIGKILL'), STOP_LIMIT);
    await exited;
    clearTimeout(late);
  }

  #lastLog(): string {
    const log = join(this.#directory, 'dockerd.log');
    return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-20).join('\n') : '(no log)';
  }
}

function ip(...args: readonly string[]): void {
  execFileSync(which('ip'), args, { stdio: 'pipe' });
}

function answers(socket: string): boolean {
  const asked = ['-sf', '-m', '2', '--unix-socket', socket, 'http://docker/_ping'];
  return existsSync(socket) && spawnSync('curl', asked).status === 0;
}

function removeContainers(url: string): void {
  const script = 'ids=$(docker -H "$1" ps -aq); [ -z "$ids" ] || docker -H "$1" rm -f -v $ids';
  spawnSync('sh', ['-c', script, 'sh', url], { stdio: 'pipe', timeout: 30_000 });
}

/** What belongs to a host: processes that name its directory (engine, containerd, shims), and those in its network. */
function processesOf(directory: string, name: string): readonly number[] {
  const named = readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each) && Number(each) !== process.pid)
    .filter((pid) => readIf(`/proc/${pid}/cmdline`).includes(`${directory}/`) || inControlGroup(pid, name));
  const inside = spawnSync(which('ip'), ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
  const shims = new Set(named.map(Number));
  const children = readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each))
    .filter((pid) => shims.has(Number(/\) \S (\d+)/.exec(readIf(`/proc/${pid}/stat`))?.[1] ?? 0)));
  return [...new Set([...shims, ...children.map(Number), ...inside.split('\n').filter(Boolean).map(Number)])];
}

function inControlGroup(pid: string, name: string): boolean {
  return readIf(`/proc/${pid}/cgroup`).includes(name);
}

function readIf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function signal(pid: number, how: NodeJS.Signals): void {
  try {
    process.kill(pid, how);
  } catch {
    // It has ended meanwhile.
  }
}

function clean(name: string, directory: string): void {
  for (const pid of processesOf(directory, name)) signal(pid, 'SIGKILL');
  unmount(`${directory}/`);
  spawnSync(which('ip'), ['netns', 'del', name]);
  spawnSync(which('ip'), ['link', 'del', `${name}o`]);
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** Mounts of containers and their network namespaces, the deepest first. */
function unmount(below: string): void {
  const mounts = readIf('/proc/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(below))
    .reverse();
  for (const path of mounts) spawnSync('umount', ['-l', path]);
}

/** Removes what test runs that were killed have left. */
function sweep(): void {
  const directory = home();
  const left = readdirSync(directory).filter((each) => new RegExp(`^${PREFIX}\\d+x[0-9a-f]+$`).test(each));
  for (const name of left) {
    const pid = /\d+/.exec(name)?.[0] ?? '';
    if (!existsSync(`/proc/${pid}`)) clean(name, join(directory, name));
  }
}
