import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Agent } from 'node:http';
import { Duplex, type Readable, type Writable } from 'node:stream';

/** Seconds until the ssh client gives up connecting. */
const CONNECT_TIMEOUT = 10;

/** The arguments of the ssh client for one connection; the remote side is `docker system dial-stdio`, as the Docker CLI does it. */
export function sshArguments(target: string, port: number | null): readonly string[] {
  return [
    '-T',
    '-o',
    'BatchMode=yes',
    '-o',
    `ConnectTimeout=${CONNECT_TIMEOUT}`,
    '-o',
    'ServerAliveInterval=15',
    '-o',
    'ServerAliveCountMax=3',
    ...(port === null ? [] : ['-p', String(port)]),
    '--',
    target,
    'docker',
    'system',
    'dial-stdio',
  ];
}

/**
 * An HTTP agent whose connections are the standard streams of ssh client processes: the user's keys, agent, known hosts and
 * configuration hold, and no SSH library has to be loaded. A request fails with what ssh said when it cannot connect.
 */
export class SshAgent extends Agent {
  private readonly command: readonly string[];
  private readonly target: string;
  private readonly port: number | null;

  constructor(target: string, port: number | null, command: readonly string[] = ['ssh']) {
    super({ keepAlive: true, maxSockets: 8 });
    this.target = target;
    this.port = port;
    this.command = command;
  }

  override createConnection(): Duplex {
    const [program = 'ssh', ...before] = this.command;
    const child = spawn(program, [...before, ...sshArguments(this.target, this.port)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new ProcessSocket(child, `ssh ${this.target}`);
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** A child process's standard streams as one socket, as far as `node:http` asks for a socket. */
class ProcessSocket extends Duplex {
  private readonly child: Child;
  private readonly label: string;
  private stderr = '';

  constructor(child: Child, label: string) {
    super({ allowHalfOpen: false });
    this.child = child;
    this.label = label;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr = (this.stderr + chunk).slice(-2000);
    });
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.destroy(new Error(`${label} could not be run: ${error.message}`)));
    child.on('close', (code) => this.ended(code));
  }

  private ended(code: number | null): void {
    if (this.destroyed) return;
    if (code === 0) {
      this.push(null);
      return;
    }
    const said = this.stderr.trim();
    this.destroy(new Error(`${this.label} ended with ${code ?? 'a signal'}${said ? `: ${said}` : ''}`));
  }

  override _read(): void {
    this.child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // A write fails when ssh has ended; why it ended is told once its exit code and stderr are known.
    this.child.stdin.write(chunk, (error) => {
      if (!error) done();
    });
  }

  override _final(done: () => void): void {
    this.child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.child.kill('SIGTERM');
    done(error);
  }

  // What `node:http` calls on the sockets of an agent. Timeouts are ssh's own (see `sshArguments`).
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    this.child.ref();
    return this;
  }
  unref(): this {
    this.child.unref();
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr])
      (stream as Partial<{ unref(): void }>).unref?.();
    return this;
  }
}
