import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '@cd-actions/shared/delivery/ports';

/** The machine's own time. */
export const realClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    try {
      await wait(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now: number;
  #sleepers: readonly Sleeper[] = [];

  constructor(start = Date.parse('2030-01-01T00:00:00Z')) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** How many sleeps have not ended. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => (): void => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        signal?.removeEventListener('abort', abort);
        settle();
      };
      const sleeper: Sleeper = { due: this.#now + ms, wake: end(resolve) };
      const abort = end(() => reject(signal?.reason));
      signal?.addEventListener('abort', abort);
      this.#sleepers = [...this.#sleepers, sleeper];
    });
  }

  /** Moves time on by `ms`, waking every sleeper at its own moment and letting what it wakes run before time moves further. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await turn();
    for (;;) {
      const next = [...this.#sleepers].sort((a, b) => a.due - b.due)[0];
      if (!next || next.due > end) break;
      this.#now = Math.max(this.#now, next.due);
      next.wake();
      await turn();
    }
    this.#now = end;
    await turn();
  }
}
