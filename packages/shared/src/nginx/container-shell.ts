import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, UnavailableError } from '../domain/errors.ts';
import type { Docker } from './docker.ts';
import { type Answer, curlLines, type Exchange, type NginxHost, quote, type Ran, writeLines } from './host.ts';
import { layout } from './layout.ts';
import { ShellSession } from './shell-session.ts';

const TIMEOUT_MS = 15_000;
const ANSWER = '\u001f';

/** An Nginx in a container, driven through the Docker API alone. The image has to have `sh` and `curl`. */
export class ContainerHost implements NginxHost {
  readonly #session: ShellSession;
  readonly #root: string;
  readonly #adminPort: number;

  constructor(docker: Docker, container: string, root: string, adminPort: number) {
    this.#session = new ShellSession(() => openShell(docker, container), `The container ${container}`);
    this.#root = root;
    this.#adminPort = adminPort;
  }

  run(script: string, timeoutMs = TIMEOUT_MS): Promise<Ran> {
    return this.#session.run(script, timeoutMs);
  }

  async admin(exchange: Exchange): Promise<Answer> {
    const { guard, write, script = '' } = exchange;
    const curl = curlLines(exchange, this.#adminPort, layout(this.#root).adminHeader);
    const ran = await this.run(
      `${guard ? `${guard} || { printf '\\037\\n412'; exit 0; }\n` : ''}${write ? writeLines(write.path, write.content) : ''}( :\n${script}\n)\nprintf '\\037'\n${curl}`,
    );
    const [output = '', answer = ''] = ran.stdout.split(ANSWER);
    const end = answer.lastIndexOf('\n', answer.trimEnd().length);
    return { status: Number.parseInt(answer.slice(end + 1), 10) || 0, body: answer.slice(0, Math.max(0, end)), output };
  }

  async probe(
    address: string,
    port: number,
    path: string,
    timeoutMs: number,
  ): Promise<{ status: number; error: string; milliseconds: number }> {
    const url = `http://${isIPv6(address) ? `[${address}]` : address}:${port}${path}`;
    const seconds = (timeoutMs / 1000).toFixed(3);
    const ran = await this.run(
      `curl -s -S -g -o /dev/null -m ${seconds} -w '%{http_code} %{time_total}' ${quote(url)}\n`,
      timeoutMs + TIMEOUT_MS,
    );
    const [status = '0', time = '0'] = ran.stdout.trim().split(' ');
    return {
      status: ran.code === 0 ? Number(status) : 0,
      error: ran.code === 0 ? '' : ran.stderr.trim().replace(/^curl: \(\d+\) /, ''),
      milliseconds: Math.round(Number(time) * 1000),
    };
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}

async function openShell(docker: Docker, container: string): Promise<Duplex> {
  try {
    const exec = await docker
      .getContainer(container)
      .exec({ Cmd: ['sh'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
    return await exec.start({ hijack: true, stdin: true });
  } catch (cause) {
    throw new UnavailableError('Nginx', `The Nginx container ${container} cannot be reached: ${messageOf(cause)}`, {
      cause,
    });
  }
}
