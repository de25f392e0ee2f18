import type { Pool, ProxyConfig } from '../delivery/ports.ts';
import { type DeploymentId, poolName } from '../domain/names.ts';
import type { TrafficPlan } from '../domain/traffic.ts';
import { quote } from './host.ts';
import { layout } from './layout.ts';
import { type PlanFile, readPlanFile } from './plan-file.ts';
import type { Standing } from './render.ts';

/** `config.json` of a generation. */
export interface GenerationFile {
  readonly format: 1;
  readonly token: string;
  readonly structure: string;
  readonly instant: boolean;
  readonly config: ProxyConfig;
  readonly servers: readonly string[];
  readonly pools: readonly string[];
  /** Pools that the generation before it did not have: workers of that one cannot place a request for them. */
  readonly introduced: readonly string[];
  /** With it the files of the generation can be rendered again; absent in those of earlier versions. */
  readonly standing?: Omit<Standing, 'token'>;
}

/** What is live of one deployment, from the files. */
export interface Live {
  readonly generation: GenerationFile;
  readonly plan: PlanFile | null;
  readonly planText: string | null;
  /** Milliseconds since the epoch when the generation was confirmed; 0 when it never was. */
  readonly loadedAt: number;
  /** What lies there, by relative path: the generation's files, and the server blocks it stands in as `servers/<key>.conf`. */
  readonly files: ReadonlyMap<string, string>;
}

export interface Shared {
  /** `base.json`, null before `prepare`. */
  readonly base: BaseFile | null;
  readonly runningVersion: string;
  /** The files that all apps share are not as they were written. */
  readonly baseChanged: boolean;
  /** What `apps/<id>` links to, and the text of the plan file; empty when there is none. */
  readonly link: string;
  readonly planText: string;
}

/** The files that all apps share, relative to the root. */
export const SHARED = 'nginx.conf http.conf admin.conf njs/traffic.js';
/** Their checksums as they were written. */
export const SUMS = 'base.sums';

/** Shell words that expand to the checksums of the shared files as they are. */
export function sumsNow(root: string): string {
  return `$(cd ${quote(root)} && cksum ${SHARED} 2>/dev/null)`;
}

/** `base.json`. */
export interface BaseFile {
  readonly format: 1;
  readonly base: string;
  readonly version: string;
  readonly instant: boolean;
  readonly settings: import('./render.ts').Settings;
}

const FILE = '\u001d';
const PART = '\u001e';

/** One script for everything that is to be known before a change of one deployment. */
export function readScript(root: string, id: DeploymentId | null, command: string): string {
  const at = layout(root);
  const show = (path: string): string => `cat ${quote(path)} 2>/dev/null; printf '${octal(PART)}'\n`;
  const app = id === null ? '' : quote(at.app(id));
  return [
    show(at.base),
    `${command} -v 2>&1 </dev/null; printf '${octal(PART)}'\n`,
    `sums=$(cat ${quote(`${root}/${SUMS}`)} 2>/dev/null); [ "$sums" = '' ] || [ "$sums" = "${sumsNow(root)}" ] || echo changed; printf '${octal(PART)}'\n`,
    ...(id === null
      ? []
      : [
          show(`${at.app(id)}/config.json`),
          show(`${at.app(id)}/loaded`),
          show(at.plan(id)),
          `readlink ${app} 2>/dev/null; printf '${octal(PART)}'\n`,
          `for f in ${app}/http.conf ${app}/admin.conf ${app}/maintenance.html ${app}/locations/*.conf; do [ -f "$f" ] && printf '${octal(FILE)}%s\\n' "\${f#${app}/}" && cat "$f"; done\n`,
          `for f in ${app}/locations/*.conf; do s="servers/\${f##*/}"; [ -f ${quote(root)}/"$s" ] && printf '${octal(FILE)}%s\\n' "$s" && cat ${quote(root)}/"$s"; done\n`,
        ]),
    'true\n',
  ].join('');
}

function octal(character: string): string {
  return `\\0${character.charCodeAt(0).toString(8)}`.replace('\\00', '\\0');
}

export function readLive(stdout: string): Shared & { readonly live: Live | null } {
  const [base = '', about = '', changed = '', config = '', loaded = '', planText = '', link = '', files = ''] =
    stdout.split(PART);
  const generation = parse<GenerationFile>(config);
  const plan = readPlanFile(planText);
  return {
    base: parse<BaseFile>(base),
    runningVersion: /\/(\d+\.\d+\.\d+)/.exec(about)?.[1] ?? '',
    baseChanged: changed.trim() !== '',
    link: link.trim(),
    planText,
    live:
      generation?.format === 1
        ? {
            generation,
            plan: generation.instant ? plan : null,
            planText: planText === '' ? null : planText,
            loadedAt: Number(loaded) || 0,
            files: filesOf(files),
          }
        : null,
  };
}

function filesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .split(FILE)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n');
        return [part.slice(0, end), part.slice(end + 1)] as const;
      }),
  );
}

function parse<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

/** The configuration that serves by what the files say: the route and pools of the generation, the plan of the plan file. */
export function liveConfig(live: Live): ProxyConfig {
  const { config } = live.generation;
  return live.plan ? { ...config, generation: live.plan.generation, plan: live.plan.plan } : config;
}

/** Pools that the plan in force needs and the next configuration lacks. */
export function lingering(live: Live | null, next: ProxyConfig): readonly Pool[] {
  if (live === null) return [];
  const kept = new Set(next.pools.map((pool) => pool.version));
  const current = liveConfig(live);
  const needed = new Set(targetsOf(current.plan));
  return current.pools.filter((pool) => needed.has(pool.version) && !kept.has(pool.version));
}

function targetsOf(plan: TrafficPlan): readonly string[] {
  const versions = [...plan.targets.filter((target) => target.weight > 0), ...plan.rules];
  return [...versions, ...(plan.mirror ? [plan.mirror] : [])].map(({ version }) => version);
}

/** The pool with most of the traffic. */
export function mainPool(config: ProxyConfig): string {
  const heaviest = [...config.plan.targets].sort((a, b) => b.weight - a.weight)[0];
  return heaviest ? poolName(config.id, heaviest.version) : '';
}
