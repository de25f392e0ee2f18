import type { Log } from '../delivery/ports.ts';
import { inert, linesOf } from './text.ts';

/** A step that failed, with the last lines that it printed. */
export interface FailedStep {
  readonly title: string;
  readonly error: string;
  readonly lines: readonly string[];
}

/** Lines of a failed step that are kept for the message. */
const KEPT = 20;

class Step {
  readonly title: string;
  readonly kept: string[] = [];
  #waiting: string[] = [];
  #rest = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(title: string) {
    this.title = title;
  }

  /** Text comes in pieces that need not end with a line. */
  add(text: string): void {
    const whole = /^[\s\S]*[\r\n]/.exec(this.#rest + text)?.[0] ?? '';
    this.#rest = (this.#rest + text).slice(whole.length);
    for (const line of linesOf(whole)) {
      this.#waiting.push(line);
      this.kept.push(line);
      if (this.kept.length > KEPT) this.kept.shift();
    }
    this.#wake();
  }

  flush(): void {
    if (this.#rest !== '') this.add('\n');
  }

  end(): void {
    this.flush();
    this.#ended = true;
    this.#wake();
  }

  /** Batches of lines as they come, until the step has ended. */
  async *batches(): AsyncGenerator<readonly string[]> {
    for (;;) {
      const lines = this.#waiting;
      this.#waiting = [];
      if (lines.length > 0) yield lines;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/**
 * Shows the steps of a build under a heading each, in the order in which they began. Builders run steps side by side, a log cannot: what
 * a later step prints waits until the earlier ones have ended.
 */
export class StepLog {
  readonly #log: Log;
  readonly #steps = new Map<string, Step>();
  #failed: FailedStep | null = null;
  #shown: Promise<void> = Promise.resolve();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The first step that failed. */
  get failed(): FailedStep | null {
    return this.#failed;
  }

  begin(key: string, title: string): void {
    if (this.#steps.has(key)) return;
    const step = new Step(linesOf(title)[0] ?? '');
    this.#steps.set(key, step);
    this.#shown = this.#shown.then(() => this.#show(step));
  }

  add(key: string, text: string): void {
    this.#steps.get(key)?.add(text);
  }

  end(key: string, error = ''): void {
    const step = this.#steps.get(key);
    if (!step) return;
    if (error !== '') {
      step.flush();
      this.#failed ??= { title: step.title, error, lines: [...step.kept] };
      step.add(`Failed: ${error}`);
    }
    step.end();
  }

  /** Ends what has not ended and waits until all is shown. */
  async finish(): Promise<void> {
    for (const step of this.#steps.values()) step.end();
    await this.#shown;
  }

  #show(step: Step): Promise<void> {
    return this.#log.group(inert(step.title), async () => {
      for await (const lines of step.batches()) for (const line of lines) this.#log.info(inert(line));
    });
  }
}
