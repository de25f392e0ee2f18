import type { LoadRun } from '@cd-actions/shared/gates/load/options';
import { runLoad } from '@cd-actions/shared/gates/load/prober';

export interface Served {
  readonly requests: number;
  /** Requests without a complete, successful answer. */
  readonly dropped: number;
  readonly errors: Readonly<Record<string, number | undefined>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly p99: number;
  /** Milliseconds. */
  readonly longestGap: number;
}

/** Requests a second, on kept and on fresh connections. */
const RATE = 100;

/** Constant load on the public path, from the first version on. Nothing is ever repeated. */
export class Load {
  readonly #url: string;
  #run: LoadRun | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  start(): void {
    process.stdout.write(`\n▸ From now on ${RATE} requests a second go to ${this.#url}\n`);
    this.#run = runLoad({ url: this.#url, rate: RATE });
    // An error is told by stop(); until then it must not end the process.
    this.#run.result.catch(() => undefined);
  }

  async stop(): Promise<Served> {
    if (!this.#run) throw new Error('The load was never started.');
    const result = await this.#run.stop();
    return {
      requests: result.requests,
      dropped: result.failed,
      errors: result.errors,
      versions: result.versions,
      p99: result.latency.p99,
      longestGap: result.longestGap,
    };
  }
}
