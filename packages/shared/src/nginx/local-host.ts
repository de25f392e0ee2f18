import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { Clock, ProxyCapabilities, Proxy as ProxyPort } from '../delivery/ports.ts';
import { messageOf, UserError } from '../domain/errors.ts';
import { listensOf } from '../domain/route.ts';
import type { Route } from '../domain/traffic.ts';
import { atLeast, type Facts } from './capabilities.ts';
import { type NginxHost, quote } from './host.ts';
import { layout } from './layout.ts';
import { LocalShell } from './local-shell.ts';
import { httpIncludes, type Include, topLevel } from './main-config.ts';
import { NginxProxy } from './proxy.ts';
import type { Settings } from './render.ts';
import type { Site } from './site.ts';

/**
 * The Nginx installed where the action runs: its program, its main configuration, and the directory that the suite keeps its own files
 * in. `adminPort` on the loopback is 9180 unless told; `accessLog` lies beside Nginx's own.
 */
export function localProxy(options: {
  readonly binary: string;
  readonly mainConfig: string;
  readonly configDir: string;
  readonly clock: Clock;
  readonly adminPort?: number;
  readonly accessLog?: string;
}): ProxyPort {
  return new NginxProxy(new LocalSite(options), options.clock);
}

/** The file that a conventional main configuration reads through `include .../conf.d/*.conf`. */
const HOOK = 'cd-actions.conf';

class LocalSite implements Site {
  readonly name = 'this machine';
  readonly root: string;
  readonly adminPort: number;
  readonly host: NginxHost;
  readonly command: string;
  readonly moduleLines: string;
  readonly #binary: string;
  readonly #main: string;
  readonly #accessLog: string | undefined;

  constructor(options: Parameters<typeof localProxy>[0]) {
    this.root = options.configDir;
    this.adminPort = options.adminPort ?? 9180;
    this.host = new LocalShell(options.configDir, this.adminPort);
    this.#binary = options.binary;
    this.#main = options.mainConfig;
    this.#accessLog = options.accessLog;
    this.command = `${options.binary} -c ${options.mainConfig}`;
    this.moduleLines = `${this.command} -T 2>/dev/null </dev/null | sed -n 's/^[[:space:]]*\\(load_module[[:space:]].*;\\).*/\\1/p'`;
  }

  /** The pid file as the program itself finds it: named in the main configuration, or built in. */
  get master(): string {
    let named: string | null = null;
    try {
      named = topLevel(readFileSync(this.#main, 'utf8'), 'pid');
    } catch {
      // Whoever needs the main configuration says that it cannot be read.
    }
    const builtIn = `${this.#binary} -V 2>&1 | sed -n 's/.*--pid-path=\\([^ ]*\\).*/\\1/p'`;
    return `$(cat ${named === null ? `"$(${builtIn})"` : quote(named)} 2>/dev/null)`;
  }

  reaches(): boolean {
    return true;
  }

  async ensure(): Promise<void> {
    await this.#mainText();
  }

  async checkRoute(route: Route): Promise<void> {
    const own = listensOf(route).find((listen) => Number(listen.split(':').at(-1)) === this.adminPort);
    if (own !== undefined) throw new UserError(`Port ${this.adminPort} is the suite's own.`, 'Use another `listen`.');
  }

  settings(capabilities: ProxyCapabilities, facts: Facts): Settings {
    const log = facts.built['http-log-path'] ?? '';
    return {
      root: this.root,
      instant: capabilities.instant,
      gracefulReload: capabilities.gracefulReload,
      http2Directive: atLeast(capabilities.version, '1.25.1'),
      adminPort: this.adminPort,
      accessLog: this.#accessLog ?? (isAbsolute(log) ? join(dirname(log), 'cd-actions.log') : 'off'),
      managed: null,
    };
  }

  /** The user's main configuration with the one include that reaches ours turned to the staged file; beside the original, for relative paths. */
  async stagedMain(staging: string): Promise<{ path: string; content: string }> {
    const text = await this.#mainText();
    const { include, hook } = await this.#include(text);
    const staged = `include ${staging}/http.conf;`;
    const replaced = hook === null ? staged : `${await this.#others(include)}${staged}`;
    const content = text.slice(0, include.start) + replaced + text.slice(include.end);
    return { path: join(dirname(this.#main), `.${basename(this.#main)}.${basename(staging)}`), content };
  }

  async hooks(): Promise<ReadonlyMap<string, string>> {
    const { hook } = await this.#include(await this.#mainText());
    if (hook === null) return new Map();
    const content = `include ${layout(this.root).http};\n`;
    const present = await readFile(hook, 'utf8').catch(() => '');
    return present === content ? new Map() : new Map([[hook, content]]);
  }

  async accessTail(lines: number, log: string): Promise<string | null> {
    if (!isAbsolute(log)) return null;
    const ran = await this.host.run(`tail -n ${lines} ${quote(log)}\n`);
    return ran.code === 0 ? ran.stdout : null;
  }

  async errorLog(): Promise<string | null> {
    const named = topLevel(await this.#mainText(), 'error_log');
    return named !== null && isAbsolute(named) && !named.startsWith('/dev/') ? named : null;
  }

  /** The include through which Nginx reads ours: of our file itself, or of a directory that our hook is put into. */
  async #include(text: string): Promise<{ include: Include; hook: string | null }> {
    const includes = httpIncludes(text).map((include) => ({ include, path: this.#absolute(include.pattern) }));
    const direct = includes.find(({ path }) => path === layout(this.root).http);
    if (direct) return { include: direct.include, hook: null };
    const directory = includes.find(({ path }) => path.endsWith('/conf.d/*.conf'));
    if (directory) return { include: directory.include, hook: join(dirname(directory.path), HOOK) };
    throw new UserError(
      `${this.#main} does not read the suite's configuration.`,
      `Add this line to its \`http { }\` block: include ${layout(this.root).http};`,
    );
  }

  async #others(include: Include): Promise<string> {
    const directory = dirname(this.#absolute(include.pattern));
    const names = await readdir(directory).catch(() => []);
    return names
      .filter((name) => name.endsWith('.conf') && !name.startsWith('.') && name !== HOOK)
      .sort()
      .map((name) => `include "${join(directory, name)}";\n`)
      .join('');
  }

  #absolute(pattern: string): string {
    return isAbsolute(pattern) ? pattern : join(dirname(this.#main), pattern);
  }

  async #mainText(): Promise<string> {
    try {
      return await readFile(this.#main, 'utf8');
    } catch (cause) {
      throw new UserError(
        `The main configuration ${this.#main} cannot be read: ${messageOf(cause)}`,
        'Name it in `nginx-main-config`, or use `nginx: container`.',
        { cause },
      );
    }
  }
}
