/** A hundred consecutive switches by the real stories, under everything at once. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Moved } from '@cd-actions/shared/delivery/move';
import { BackgroundLoad, type LoadSettings, type Seen } from './load.ts';
import { CHOOSE, type Flip, type Ours, type Workers } from './ours.ts';
import { type Stream, Streams } from './streams.ts';

/** Milliseconds between an acknowledgement and the next switch, in which its effect is looked at. */
const LOOK = 150;
/** The drain timeout of the switches that leave open streams behind, longer than a download. */
const LONG_DRAIN = 24_000;
const DOWNLOAD_SECONDS = 20;

export interface SwitchReport {
  readonly seen: Seen;
  readonly seconds: number;
  /** Acknowledged generations by kind. */
  readonly switches: Readonly<Record<'flip' | 'canary step' | 'rollback', number>>;
  /** Milliseconds from the activation of a generation to its confirmation. */
  readonly activation: readonly number[];
  readonly how: Readonly<Record<string, number>>;
  readonly workers: { readonly before: Workers; readonly after: Workers; readonly most: number };
  readonly streams: {
    readonly downloads: number;
    readonly downloadsWhole: number;
    readonly events: number;
    /** Event streams that ended before the drain deadline of the version they were on. */
    readonly eventsCutEarly: number;
    /** Those that were closed at a drain deadline, and the connections that the switches reported as cut. */
    readonly eventsClosedAtDeadline: number;
    readonly reportedCut: number;
  };
}

/** Runs the whole and reports. v1 has to be live, v2 warm. */
export async function hundredSwitches(
  ours: Ours,
  settings: Omit<LoadSettings, 'url' | 'control'>,
): Promise<SwitchReport> {
  const begun = performance.now();
  const load = new BackgroundLoad({ url: ours.url, control: ours.control, ...settings });
  const run = new Run(ours, load, await ours.workers());
  await wait(1000);
  await run.acrossOpenStreams(12);
  await run.withoutStreams(5);
  await run.leavingStreams(3);
  return { ...(await run.report()), seconds: (performance.now() - begun) / 1000 };
}

class Run {
  readonly #ours: Ours;
  readonly #load: BackgroundLoad;
  readonly #before: Workers;
  readonly #streams: Streams;
  readonly #switches = { flip: 0, 'canary step': 0, rollback: 0 };
  readonly #activation: number[] = [];
  readonly #how: Record<string, number> = {};
  readonly #deadlines = new Map<Stream, number>();
  #most = 0;
  #cut = 0;

  constructor(ours: Ours, load: BackgroundLoad, before: Workers) {
    this.#ours = ours;
    this.#load = load;
    this.#before = before;
    this.#streams = new Streams(ours.url);
    ours.onBegin = () => load.allowAll();
    ours.onAcknowledged = (without, milliseconds) => {
      for (const version of without) load.forbid(version);
      this.#activation.push(milliseconds);
    };
  }

  /** Both versions stay in the plan for the streams' clients, who chose one by a header; all others are moved at once. */
  async acrossOpenStreams(rounds: number): Promise<void> {
    await this.#flip('v1', { choosable: true });
    const open = (kind: 'events' | 'download', count: number): Promise<unknown> =>
      Promise.all(
        ['v1', 'v2'].flatMap((version) =>
          Array.from({ length: count }, () => this.#streams.open(kind, { [CHOOSE]: version }, DOWNLOAD_SECONDS)),
        ),
      );
    await Promise.all([open('events', 8), open('download', 4)]);
    const begun = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      await this.#canary('v2', { choosable: true });
      await this.#flip('v1', { choosable: true });
    }
    // The last downloads are let come to their end, still under load.
    await wait(Math.max(0, (DOWNLOAD_SECONDS + 1) * 1000 - (performance.now() - begun)));
    await this.#noteWorkers();
    this.#streams.close();
    await this.#flip('v1');
  }

  /** Each switch drains the version that is left; nothing but quiet connections is there to drain. */
  async withoutStreams(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      await this.#canary('v2');
      await this.#rollback('v1');
      await this.#flip('v2');
      await this.#rollback('v1');
    }
  }

  /** Streams are open on the version that is left: downloads have to come to their end, events to live to the deadline. */
  async leavingStreams(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      const version = round % 2 === 0 ? 'v2' : 'v1';
      const open = ['events', 'events', 'download', 'download'] as const;
      const opened = await Promise.all(open.map((kind) => this.#streams.open(kind, {}, DOWNLOAD_SECONDS)));
      const deadline = performance.now() + LONG_DRAIN;
      for (const stream of opened) this.#deadlines.set(stream, deadline);
      await this.#flip(version, { drainTimeout: LONG_DRAIN });
    }
    await wait(500);
  }

  async #flip(version: string, options: Flip = {}): Promise<void> {
    await this.#move('flip', 1, () => this.#ours.flip(version, options));
  }

  /** 5, 25, 50, 100 % in one story. */
  async #canary(version: string, options: Flip = {}): Promise<void> {
    const steps = { steps: [5, 25, 50], stepInterval: LOOK, ...options };
    await this.#move('canary step', 4, () => this.#ours.flip(version, steps));
  }

  async #rollback(version: string): Promise<void> {
    await this.#move('rollback', 1, async () => (await this.#ours.back(version)).moved);
  }

  async #move(kind: keyof SwitchReport['switches'], count: number, work: () => Promise<Moved>): Promise<void> {
    const moved = await work();
    if (!moved.changed) return;
    this.#switches[kind] += count;
    this.#how[moved.how] = (this.#how[moved.how] ?? 0) + count;
    this.#cut += moved.cut;
    await wait(LOOK);
  }

  async #noteWorkers(): Promise<Workers> {
    const workers = await this.#ours.workers();
    this.#most = Math.max(this.#most, workers.serving + workers.leaving);
    return workers;
  }

  async report(): Promise<Omit<SwitchReport, 'seconds'>> {
    const after = await this.#noteWorkers();
    this.#ours.onBegin = () => undefined;
    this.#ours.onAcknowledged = () => undefined;
    const seen = await this.#load.stop();
    this.#streams.close();
    const of = (kind: Stream['kind']): readonly Stream[] => this.#streams.all.filter((each) => each.kind === kind);
    const events = of('events');
    const deadline = (each: Stream): number => this.#deadlines.get(each) ?? 0;
    // Without a deadline of its own, the version of a stream stayed in the plan: nothing may end it.
    const ended = events.filter((each) => each.closed > 0 && !each.left);
    const atDeadline = ended.filter((each) => deadline(each) > 0 && each.closed >= deadline(each));
    return {
      seen,
      switches: this.#switches,
      activation: this.#activation,
      how: this.#how,
      workers: { before: this.#before, after, most: this.#most },
      streams: {
        downloads: of('download').length,
        downloadsWhole: of('download').filter((each) => each.whole).length,
        events: events.length,
        eventsCutEarly: ended.length - atDeadline.length,
        eventsClosedAtDeadline: atDeadline.length,
        reportedCut: this.#cut,
      },
    };
  }
}
