import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { messageOf, UnavailableError } from '../domain/errors.ts';
import { type Answer, type Exchange, type NginxHost, type Ran, writeLines } from './host.ts';
import { layout } from './layout.ts';

const TIMEOUT_MS = 15_000;

/** The Nginx of the machine that the action runs on. */
export class LocalShell implements NginxHost {
  readonly #root: string;
  readonly #adminPort: number;

  constructor(root: string, adminPort: number) {
    this.#root = root;
    this.#adminPort = adminPort;
  }

  run(script: string, timeoutMs = TIMEOUT_MS): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn('sh', ['-s'], { stdio: 'pipe', timeout: timeoutMs });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
      child.on('error', (cause) =>
        reject(new UnavailableError('Nginx', `sh cannot be run: ${cause.message}`, { cause })),
      );
      child.on('close', (code, signal) => {
        if (signal !== null)
          reject(new UnavailableError('Nginx', `A command on this machine did not end within ${timeoutMs} ms.`));
        else resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
      });
      // A script that ends early closes its input; its exit code says so.
      child.stdin.on('error', () => undefined);
      child.stdin.end(script);
    });
  }

  async admin(exchange: Exchange): Promise<Answer> {
    const { guard, write, script, method, path } = exchange;
    if (guard || write) {
      const ran = await this.run(`${guard ?? ':'} || exit 75\n${write ? writeLines(write.path, write.content) : ''}`);
      if (ran.code === 75) return { status: 412, body: '', output: '' };
    }
    const output = script === undefined ? '' : (await this.run(script)).stdout;
    const header = await readFile(layout(this.#root).adminHeader, 'utf8').catch(() => '');
    const answer = await send({
      host: '127.0.0.1',
      port: this.#adminPort,
      path,
      method,
      headers: { 'X-CD-Token': header.split(': ')[1]?.trim() ?? '' },
      body: write?.content ?? exchange.body,
      timeout: 5_000,
    }).catch(() => ({ status: 0, body: '' }));
    return { ...answer, output };
  }

  async probe(
    address: string,
    port: number,
    path: string,
    timeoutMs: number,
  ): Promise<{ status: number; error: string; milliseconds: number }> {
    const began = performance.now();
    try {
      const { status } = await send({
        host: address,
        port,
        path,
        method: 'GET',
        headers: {},
        body: undefined,
        timeout: timeoutMs,
      });
      return { status, error: '', milliseconds: Math.round(performance.now() - began) };
    } catch (error) {
      return { status: 0, error: messageOf(error), milliseconds: Math.round(performance.now() - began) };
    }
  }

  async close(): Promise<void> {}
}

/** One request on a connection of its own. */
function send(call: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeout: number;
}): Promise<{ status: number; body: string }> {
  const { host, port, path, method, body, timeout } = call;
  const headers =
    body === undefined ? call.headers : { ...call.headers, 'Content-Length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeout);
    const sent = request({ host, port, path, method, headers, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${timeout} ms`) : error));
    sent.end(body);
  });
}
