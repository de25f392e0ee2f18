/** The same flips by every subject, in turns, under the same load. */
import { setTimeout as wait } from 'node:timers/promises';
import { addUp, BackgroundLoad, type LoadSettings, type Seen } from './load.ts';
import type { Workers } from './ours.ts';
import type { Subject } from './subjects.ts';

export interface Compared {
  readonly name: string;
  readonly flips: number;
  readonly seen: Seen;
  readonly before: Workers | null;
  /** The most workers, old and new, that were seen after a flip. */
  readonly mostWorkers: number;
}

/** Each round gives every subject its turn. All begin with v1 live. */
export async function compare(
  subjects: readonly Subject[],
  settings: Omit<LoadSettings, 'url'>,
  { rounds, flips }: { readonly rounds: number; readonly flips: number },
): Promise<readonly Compared[]> {
  const turns = new Map<string, Compared[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const subject of subjects) {
      const turn = await takeTurn(subject, settings, flips);
      turns.set(subject.name, [...(turns.get(subject.name) ?? []), turn]);
    }
  }
  return [...turns].map(([name, all]) => ({
    name,
    flips: all.reduce((sum, each) => sum + each.flips, 0),
    seen: addUp(all.map((each) => each.seen)),
    before: all[0]?.before ?? null,
    mostWorkers: Math.max(...all.map((each) => each.mostWorkers)),
  }));
}

async function takeTurn(subject: Subject, settings: Omit<LoadSettings, 'url'>, flips: number): Promise<Compared> {
  const before = await subject.workers();
  const load = new BackgroundLoad({ url: subject.url, ...settings });
  let mostWorkers = 0;
  await wait(500);
  for (let flip = 0; flip < flips; flip += 1) {
    const [to, from] = flip % 2 === 0 ? ['v2', 'v1'] : ['v1', 'v2'];
    load.begin(to);
    await subject.flip(to, () => {
      load.acknowledged();
      load.forbid(from);
    });
    await wait(300);
    const workers = await subject.workers();
    mostWorkers = Math.max(mostWorkers, (workers?.serving ?? 0) + (workers?.leaving ?? 0));
  }
  return { name: subject.name, flips, seen: await load.stop(), before, mostWorkers };
}
