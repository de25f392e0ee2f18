import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { UnavailableError } from '../domain/errors.ts';
import type { Ran } from './host.ts';

/** What a session speaks to: a running `sh` whose input and outputs are one multiplexed stream, as Docker's exec gives it. */
export type OpenShell = () => Promise<Duplex>;

/**
 * One shell that stays open, so that a script costs no new exec (50 ms and more with runc): a switch is a few milliseconds of work.
 * Scripts run one after the other, each in a shell of its own. A session that breaks is opened anew for the next script.
 */
export class ShellSession {
  readonly #open: OpenShell;
  readonly #where: string;
  #stream: Promise<Duplex> | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(open: OpenShell, where: string) {
    this.#open = open;
    this.#where = where;
  }

  run(script: string, timeoutMs: number): Promise<Ran> {
    const ran = this.#turn.then(() => this.#run(script, timeoutMs));
    this.#turn = ran.catch(() => undefined);
    return ran;
  }

  async close(): Promise<void> {
    const stream = await this.#stream?.catch(() => null);
    this.#stream = null;
    stream?.destroy();
  }

  /** The open session. One that ended while nobody used it, such as with its container, is forgotten at once. */
  #opened(): Promise<Duplex> {
    if (this.#stream) return this.#stream;
    const opening = this.#open();
    const forget = (): void => {
      if (this.#stream === opening) this.#stream = null;
    };
    this.#stream = opening;
    opening.then((stream) => stream.on('end', forget).on('close', forget).on('error', forget), forget);
    return opening;
  }

  async #run(script: string, timeoutMs: number): Promise<Ran> {
    const stream = await this.#opened();
    try {
      return await exchange(stream, script, timeoutMs, this.#where);
    } catch (error) {
      this.#stream = null;
      stream.destroy();
      throw error;
    }
  }
}

function exchange(stream: Duplex, script: string, timeoutMs: number, where: string): Promise<Ran> {
  const mark = `cd-${randomBytes(12).toString('hex')}`;
  const body = script.endsWith('\n') ? script : `${script}\n`;
  const frames = new Frames();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => done(new UnavailableError('Nginx', `${where} did not answer within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    const onData = (chunk: Buffer): void => {
      frames.push(chunk);
      const out = ended(frames.stdout(), mark);
      const err = ended(frames.stderr(), mark);
      if (out && err) done({ code: out.code, stdout: out.text, stderr: err.text });
    };
    const onEnd = (): void =>
      done(new UnavailableError('Nginx', `${where} closed the connection: ${frames.stderr().slice(-300)}`));
    const onError = (cause: Error): void =>
      done(new UnavailableError('Nginx', `${where} cannot be reached: ${cause.message}`, { cause }));
    const done = (result: Ran | Error): void => {
      clearTimeout(timer);
      stream.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onError);
      // A late error of a stream that is given up must not end the process.
      if (result instanceof Error) stream.on('error', () => undefined);
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    stream.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onError);
    stream.write(`sh <<'${mark}'\n${body}${mark}\nprintf '\\001${mark} %d\\n' $? | tee /dev/stderr\n`);
  });
}

function ended(text: string, mark: string): { text: string; code: number } | null {
  const at = text.lastIndexOf(`\u0001${mark} `);
  if (at < 0 || !text.endsWith('\n')) return null;
  return { text: text.slice(0, at), code: Number.parseInt(text.slice(at + mark.length + 2), 10) };
}

/** Docker's stream frames: an 8-byte header (stream, 3 zero bytes, length) and the payload (Engine API, "Stream format"). */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);
  readonly #chunks: { readonly 1: Buffer[]; readonly 2: Buffer[] } = { 1: [], 2: [] };

  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 8) {
      const length = this.#rest.readUInt32BE(4);
      if (this.#rest.length < 8 + length) return;
      const kind = this.#rest[0] === 2 ? 2 : 1;
      this.#chunks[kind].push(this.#rest.subarray(8, 8 + length));
      this.#rest = this.#rest.subarray(8 + length);
    }
  }

  stdout(): string {
    return Buffer.concat(this.#chunks[1]).toString();
  }

  stderr(): string {
    return Buffer.concat(this.#chunks[2]).toString();
  }
}
