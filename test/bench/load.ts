/** The load that every switch of the bench happens under, and what it counts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closedLoop } from '@cd-actions/shared/gates/load/closed-loop';
import type { LoadRun } from '@cd-actions/shared/gates/load/options';
import { runLoad } from '@cd-actions/shared/gates/load/prober';
import type { LoadResult, Sample } from '@cd-actions/shared/gates/load/result';

export interface LoadSettings {
  readonly url: string;
  /** Clients that keep one connection each, POST, and never repeat a request. */
  readonly clients: number;
  /** Milliseconds between an answer and the client's next request. */
  readonly pause: number;
  /** Requests a second of the open-loop prober, nineteen of twenty on kept connections; as many again a fifth on fresh ones. */
  readonly rate: number;
  /** Connections of `wrk`; 0 leaves it out. */
  readonly wrk: number;
  /** An application's own address: a second prober asks it past the proxy, for what the machine itself holds up. */
  readonly control: string;
}

/** What the clients saw. */
export interface Seen {
  /** Requests of all clients. */
  readonly requests: number;
  /** Requests that were lost: resets, refused connections, broken answers, timeouts. */
  readonly dropped: number;
  /** Answers with a status that is not 2xx. */
  readonly non2xx: number;
  /** Milliseconds: the longest time in which the open-loop prober got no good answer though requests were due. */
  readonly longestGap: number;
  /** Milliseconds: the same of the prober that asks the application itself at the same time. It shows what the machine does to both. */
  readonly controlGap: number;
  /** Milliseconds: how late the prober itself was at worst, which both gaps contain. */
  readonly generatorLag: number;
  /** Requests sent after the acknowledgement of a switch, and answered by the version at weight 0. */
  readonly wrongVersion: number;
  /** Milliseconds after the acknowledgement at which the last of those was sent. */
  readonly lastWrong: number;
  /** Requests that were checked for it. */
  readonly checked: number;
  readonly examples: readonly string[];
  /** One per `begin` ... `acknowledged`. */
  readonly moves: readonly Move[];
}

/** How one move of all traffic looked from outside; milliseconds from when it was asked for. */
export interface Move {
  /** Until the first request was sent that the new version answered. */
  readonly firstNew: number;
  /** Until the last request was sent that the old version answered. */
  readonly lastOld: number;
  /** Until it was acknowledged. */
  readonly acknowledged: number;
}

interface Span {
  readonly from: number;
  readonly version: string;
  to: number;
}

/** Everything runs from construction until `stop`. */
export class BackgroundLoad {
  readonly #runs: readonly LoadRun[];
  readonly #wrk: Wrk | null;
  readonly #control: LoadRun;
  readonly #spans: Span[] = [];
  readonly #moves: { begun: number; to: string; firstNew: number; lastOld: number; acknowledged: number }[] = [];
  #checked = 0;
  #wrong = 0;
  #lastWrong = 0;

  constructor({ url, clients, pause, rate, wrk, control }: LoadSettings) {
    const onSample = (sample: Sample): void => this.#check(sample);
    const post = { method: 'POST', body: 'a body of some bytes', headers: { 'Content-Type': 'text/plain' } };
    const probe = (part: number, keepAlive: 'mixed' | 'fresh'): LoadRun =>
      runLoad({ url, rate: part, keepAlive, connections: 256, onSample });
    this.#runs = [
      probe(rate, 'mixed'),
      probe(Math.max(1, Math.round(rate / 5)), 'fresh'),
      closedLoop({ url: new URL('/echo', url).href, clients, pause, onSample, ...post }),
    ];
    this.#control = runLoad({ url: control, rate: rate / 2, connections: 256 });
    this.#wrk = wrk > 0 ? new Wrk(url, wrk) : null;
  }

  /** From now on no request may be answered by `version`. */
  forbid(version: string): void {
    this.#spans.push({ from: performance.now(), version, to: Number.POSITIVE_INFINITY });
  }

  /** Traffic is about to move: what is sent from now on may be answered by any. */
  allowAll(): void {
    const now = performance.now();
    for (const span of this.#spans) span.to = Math.min(span.to, now);
  }

  /** All traffic is about to move to `to`: what the clients see of it is told by `moves`. */
  begin(to: string): void {
    this.allowAll();
    this.#moves.push({ begun: performance.now(), to, firstNew: Number.NaN, lastOld: 0, acknowledged: Number.NaN });
  }

  acknowledged(): void {
    const move = this.#moves.at(-1);
    if (move) move.acknowledged = performance.now() - move.begun;
  }

  async stop(): Promise<Seen> {
    const control = await this.#control.stop();
    const [wrk, ...results] = await Promise.all([this.#wrk?.stop(), ...this.#runs.map((run) => run.stop())]);
    const sum = (read: (result: LoadResult) => number): number =>
      results.reduce((total, result) => total + read(result), 0);
    const probed = results[0] as LoadResult;
    return {
      requests: sum((each) => each.requests) + (wrk?.requests ?? 0),
      dropped: sum(lost) + (wrk?.socketErrors ?? 0),
      non2xx: sum((each) => total(each.statuses) - good(each.statuses)) + (wrk?.non2xx ?? 0),
      longestGap: probed.longestGap,
      controlGap: control.longestGap,
      generatorLag: Math.max(probed.generator?.lagMax ?? 0, control.generator?.lagMax ?? 0),
      moves: this.#moves,
      wrongVersion: this.#wrong,
      lastWrong: this.#lastWrong,
      checked: this.#checked,
      examples: results.flatMap((each) => Object.entries(each.examples).map(([kind, words]) => `${kind}: ${words}`)),
    };
  }

  #check(sample: Sample): void {
    const { sent, version } = sample;
    const move = this.#moves.at(-1);
    if (move && sample.failure === null && sent >= move.begun) {
      if (version !== move.to) move.lastOld = Math.max(move.lastOld, sent - move.begun);
      else if (!(move.firstNew <= sent - move.begun)) move.firstNew = sent - move.begun;
    }
    // What was under way when the next move began may be answered by either.
    const spans = this.#spans.slice(-8).filter((span) => sent >= span.from && sample.done < span.to);
    if (spans.length === 0) return;
    this.#checked += 1;
    const wrong = spans.find((span) => span.version === version);
    if (!wrong) return;
    this.#wrong += 1;
    this.#lastWrong = Math.max(this.#lastWrong, sent - wrong.from);
  }
}

/** Requests without a whole answer. */
function lost(result: LoadResult): number {
  return result.requests - total(result.statuses);
}

function total(statuses: Readonly<Record<string, number>>): number {
  return Object.values(statuses).reduce((sum, count) => sum + count, 0);
}

function good(statuses: Readonly<Record<string, number>>): number {
  return total(Object.fromEntries(Object.entries(statuses).filter(([status]) => status.startsWith('2'))));
}

/** Adds up what several stretches of load saw. */
export function addUp(all: readonly Seen[]): Seen {
  const sum = (key: 'requests' | 'dropped' | 'non2xx' | 'wrongVersion' | 'checked'): number =>
    all.reduce((count, each) => count + each[key], 0);
  const most = (key: 'controlGap' | 'longestGap' | 'generatorLag' | 'lastWrong'): number =>
    Math.max(0, ...all.map((each) => each[key]));
  return {
    requests: sum('requests'),
    dropped: sum('dropped'),
    non2xx: sum('non2xx'),
    wrongVersion: sum('wrongVersion'),
    checked: sum('checked'),
    longestGap: most('longestGap'),
    generatorLag: most('generatorLag'),
    lastWrong: most('lastWrong'),
    controlGap: most('controlGap'),
    moves: all.flatMap((each) => each.moves),
    examples: [...new Set(all.flatMap((each) => each.examples))],
  };
}

export interface WrkResult {
  readonly requests: number;
  /** Requests a second. */
  readonly rate: number;
  readonly socketErrors: number;
  readonly non2xx: number;
}

/** What `wrk` prints at its end. */
export function readWrk(text: string): WrkResult {
  const numbers = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  return {
    requests: Number(/(\d+) requests in/.exec(text)?.[1] ?? Number.NaN),
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? Number.NaN),
    socketErrors: numbers.reduce((sum, count) => sum + Number(count), 0),
    non2xx: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  };
}

/** `wrk` on kept connections at a moderate pace: it paces itself, or it would take the machine from those it shares it with. */
class Wrk {
  readonly #child: ChildProcess;
  readonly #directory = mkdtempSync(join(tmpdir(), 'cd-bench-'));
  #output = '';

  constructor(url: string, connections: number) {
    const script = join(this.#directory, 'pace.lua');
    writeFileSync(script, 'function delay() return 20 end\n');
    const args = ['-t1', `-c${connections}`, '-d600s', '--timeout', '10s', '-s', script, url];
    this.#child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.on('data', (data: Buffer) => {
      this.#output += data.toString();
    });
  }

  /** An interrupt makes it print what it has counted. */
  async stop(): Promise<WrkResult> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
    return readWrk(this.#output);
  }
}
