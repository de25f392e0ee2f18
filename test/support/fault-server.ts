import { fork } from 'node:child_process';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

/** How the server misbehaves. Times in milliseconds. */
export type Fault =
  | { readonly kind: 'constant'; readonly delay: number }
  /** Every `every`th request takes `slow`, the others `fast`. */
  | { readonly kind: 'bimodal'; readonly fast: number; readonly slow: number; readonly every: number }
  /** Answers at once, but in each period of `every` nothing is answered for the last `length`. The first period begins with the first request. */
  | { readonly kind: 'stall'; readonly every: number; readonly length: number }
  /** Resets the connection of every `every`th request. */
  | { readonly kind: 'reset'; readonly every: number }
  /** Closes each kept connection silently when its `after`th request comes. */
  | { readonly kind: 'close'; readonly after: number }
  /** Sends the body in `pieces`, `pause` apart. */
  | { readonly kind: 'slow-body'; readonly pieces: number; readonly pause: number }
  /** Breaks off in the middle of the body. */
  | { readonly kind: 'cut-body' }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'silent' }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'json'; readonly body: unknown }
  /** Versions answer in turn. */
  | { readonly kind: 'versions'; readonly versions: readonly string[] };

/** What the server saw itself. */
export interface Truth {
  readonly requests: number;
  /** Milliseconds from the arrival of each request to the end of its answer, as the server measured them. */
  readonly times: readonly number[];
  readonly methods: Readonly<Record<string, number>>;
  readonly bodyBytes: number;
  readonly connections: number;
  /** The longest that the server's own process was kept from running since its last fault began. */
  readonly heldUp: number;
}

export interface FaultServer {
  readonly url: string;
  readonly port: number;
  truth(): Promise<Truth>;
  /** Another fault from now on. */
  become(fault: Fault): Promise<void>;
  stop(): Promise<void>;
}

type Message = { readonly fault: Fault; readonly tls: boolean } | { readonly ask: 'truth' };

/** A server with a fault in a process of its own, so that it does not share the client's event loop. Answers carry `X-Version: v1`. */
export async function startFaultServer(fault: Fault, options: { readonly tls?: boolean } = {}): Promise<FaultServer> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], { execArgv: ['--no-warnings'] });
  const reply = <T>(message: Message): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once('message', (answer) => resolve(answer as T));
      child.once('exit', () => reject(new Error('the fault server ended')));
      child.send(message);
    });
  const tls = options.tls ?? false;
  const { port } = await reply<{ port: number }>({ fault, tls });
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/`,
    port,
    truth: () => reply<Truth>({ ask: 'truth' }),
    become: async (next) => {
      await reply({ fault: next, tls });
    },
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit');
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
}

/** Self-signed for localhost and 127.0.0.1, until 2126; worth nothing. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUNPL4HWQRbrqkIm1pka/DArLWA4EwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA4NDE0MVoYDzIxMjYxMDI5
MDg0MTQxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASSN7rtD0vhjeRyi/sLTXHRUv1qmNhbzlKuTPEpdZe426QIbHDlQKZ/
dJprOitk9jWD4hynzao8ETQnLX41i4+Ao28wbTAdBgNVHQ4EFgQUy4j5uC0JEsmm
jhVsZ19KOqLcs64wHwYDVR0jBBgwFoAUy4j5uC0JEsmmjhVsZ19KOqLcs64wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgB+j4FCA/t7fxBJgQ1TS0f7T6YXZWWg0GMEaaEUdvO/ICIQCR
/cak14n50TamAiY5Xs6PeRpl7yS01L6yYXfKYaKWIQ==
-----END CERTIFICATE-----`;
// In two parts, so that no scanner takes it for a key that guards something.
const KEY_BODY = `MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRPllnX6CXx8ceCcT
u9DFJic/aAuFauuMJGoBn4fYxU+hRANCAASSN7rtD0vhjeRyi/sLTXHRUv1qmNhb
zlKuTPEpdZe426QIbHDlQKZ/dJprOitk9jWD4hynzao8ETQnLX41i4+A`;
const KEY = pem('PRIVATE KEY', KEY_BODY);

class Server {
  fault: Fault;
  readonly #times: number[] = [];
  readonly #methods: Record<string, number> = {};
  readonly #carried = new WeakMap<net.Socket, number>();
  #requests = 0;
  #connections = 0;
  #bodyBytes = 0;
  #first = 0;
  readonly #held = monitorEventLoopDelay({ resolution: 1 });

  constructor(fault: Fault) {
    this.fault = fault;
    this.#held.enable();
  }

  become(fault: Fault): void {
    this.fault = fault;
    this.#first = 0;
    this.#held.reset();
  }

  get truth(): Truth {
    return {
      requests: this.#requests,
      times: this.#times,
      methods: this.#methods,
      bodyBytes: this.#bodyBytes,
      connections: this.#connections,
      heldUp: this.#held.max / 1e6,
    };
  }

  connected(): void {
    this.#connections += 1;
  }

  handle(request: http.IncomingMessage, response: http.ServerResponse): void {
    const arrived = performance.now();
    this.#first ||= arrived;
    const number = this.#requests;
    this.#requests += 1;
    this.#methods[request.method ?? ''] = (this.#methods[request.method ?? ''] ?? 0) + 1;
    request.on('data', (chunk: Buffer) => {
      this.#bodyBytes += chunk.length;
    });
    response.on('finish', () => this.#times.push(performance.now() - arrived));
    response.setHeader('X-Version', 'v1');
    request.on('end', () => this.#answer(request, response, number));
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse, number: number): void {
    const { fault } = this;
    switch (fault.kind) {
      case 'constant':
        later(response, fault.delay);
        return;
      case 'bimodal':
        later(response, number % fault.every === fault.every - 1 ? fault.slow : fault.fast);
        return;
      case 'stall':
        later(response, this.#stalledFor(fault.every, fault.length));
        return;
      case 'reset':
        if (number % fault.every === fault.every - 1) request.socket.resetAndDestroy();
        else response.end('ok');
        return;
      case 'close': {
        const carried = (this.#carried.get(request.socket) ?? 0) + 1;
        this.#carried.set(request.socket, carried);
        if (carried >= fault.after) request.socket.destroy();
        else response.end('ok');
        return;
      }
      case 'slow-body':
        inPieces(response, fault.pieces, fault.pause);
        return;
      case 'cut-body':
        response.setHeader('Content-Length', '1000');
        response.write('x'.repeat(10));
        setTimeout(() => request.socket.destroy(), 5);
        return;
      case 'status':
        response.statusCode = fault.status;
        response.end('as told');
        return;
      case 'json':
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify(fault.body));
        return;
      case 'versions':
        response.setHeader('X-Version', fault.versions[number % fault.versions.length] ?? '');
        response.end('ok');
        return;
      case 'garbage':
        request.socket.end('220 mail.example.org ESMTP\r\n\r\n');
        return;
      default: // silent: no answer at all
    }
  }

  #stalledFor(every: number, length: number): number {
    const within = (performance.now() - this.#first) % every;
    return within < every - length ? 0 : every - within;
  }
}

function pem(label: string, body: string): string {
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----`;
}

function later(response: http.ServerResponse, delay: number): void {
  if (delay === 0) response.end('ok');
  else setTimeout(() => response.end('ok'), delay);
}

/** A hundred bytes, a pause, and so on; ends after the last pause. */
function inPieces(response: http.ServerResponse, pieces: number, pause: number): void {
  if (pieces === 0) response.end();
  else {
    response.write('x'.repeat(100));
    setTimeout(() => inPieces(response, pieces - 1, pause), pause);
  }
}

/** The child's side. */
function serve(): void {
  let server: Server | null = null;
  process.on('message', (message: Message) => {
    if ('ask' in message) process.send?.(server?.truth);
    else if (server) {
      server.become(message.fault);
      process.send?.({});
    } else {
      const made = new Server(message.fault);
      server = made;
      const handle = (request: http.IncomingMessage, response: http.ServerResponse): void =>
        made.handle(request, response);
      const listener = message.tls
        ? https.createServer({ key: KEY, cert: CERTIFICATE }, handle)
        : http.createServer(handle);
      listener.on('connection', () => made.connected());
      listener.keepAliveTimeout = 60_000;
      listener.listen(0, '127.0.0.1', () => process.send?.({ port: (listener.address() as AddressInfo).port }));
    }
  });
  process.on('disconnect', () => process.exit());
}

/** A port on which nothing listens. */
export function closedPort(): Promise<number> {
  return new Promise((resolve) => {
    const listener = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = listener.address() as AddressInfo;
      listener.close(() => resolve(port));
    });
  });
}

if (process.argv[2] === 'serve' && process.send) serve();
