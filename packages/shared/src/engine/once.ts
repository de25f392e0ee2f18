import { randomBytes } from 'node:crypto';
import type Dockerode from 'dockerode';
import { DeliveryError } from '../domain/errors.ts';
import type { DeploymentId } from '../domain/names.ts';
import type { InstanceSpec } from '../domain/release.ts';
import { containerName, LABEL, onceOptions } from './container.ts';
import { asked } from './faults.ts';
import { ensureNetwork, joinNetworks } from './network.ts';
import { demultiplex, inert, linesOf } from './text.ts';

/** Milliseconds a one-off command may take when its signal does not end it sooner. */
const TIME_LIMIT = 3_600_000;
/** Lines of output that are kept. */
const OUTPUT_LINES = 1000;

interface Where {
  readonly docker: Dockerode;
  readonly host: string;
  readonly network: string;
}

interface Once {
  readonly id: DeploymentId;
  readonly spec: InstanceSpec;
  readonly command: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Runs one command in a container of its own and removes it, however it ends. Rejects with the signal's reason when aborted. */
export async function runOnce(where: Where, once: Once): Promise<{ exitCode: number; output: string }> {
  const { docker, host, network } = where;
  const signal = AbortSignal.any([once.signal, AbortSignal.timeout(TIME_LIMIT)]);
  signal.throwIfAborted();
  const options = onceOptions(once.id, once.spec, once.command, once.secrets, network);
  await ensureNetwork(docker, host, network);
  await removeLeftovers(where, once.id);
  const name = containerName(once.id, 'once', 0, randomBytes(4).toString('hex'));
  const created = await asked(host, `create a container of ${once.spec.image}`, () =>
    docker.createContainer({ ...options, name }),
  );
  if (!created) throw new DeliveryError(`Docker on ${host} created no container.`);
  try {
    await joinNetworks(docker, host, created, once.spec.networks);
    await asked(host, 'start the one-off command', () => created.start(), {
      remedy: 'Check the command and the image.',
    });
    const ended = await untilAborted(
      signal,
      asked(host, 'wait for the one-off command', () => created.wait()),
    );
    return { exitCode: (ended as { StatusCode: number }).StatusCode, output: await outputOf(created) };
  } catch (error) {
    if (signal.aborted && !once.signal.aborted)
      throw new DeliveryError(
        `The command \`${once.command.join(' ')}\` did not end within ${TIME_LIMIT / 60_000} minutes.`,
      );
    throw error;
  } finally {
    await created.remove({ force: true, v: true }).catch(() => undefined);
  }
}

/** What a killed run left: its command has ended, nobody will fetch the result. One that still runs is left alone. */
export async function removeLeftovers(where: Pick<Where, 'docker' | 'host'>, id: DeploymentId): Promise<void> {
  const { docker, host } = where;
  const filters = { label: [`${LABEL.once}=${id}`], status: ['exited', 'dead'] };
  const ended = await asked(host, 'list containers', () => docker.listContainers({ all: true, filters }));
  for (const info of ended ?? [])
    await asked(host, 'remove an ended command', () => docker.getContainer(info.Id).remove({ v: true, force: true }), {
      fine: [404, 409],
    });
}

function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

async function outputOf(container: Dockerode.Container): Promise<string> {
  const log = await container.logs({ stdout: true, stderr: true, tail: OUTPUT_LINES, follow: false }).catch(() => null);
  return log ? linesOf(demultiplex(log, false)).map(inert).join('\n') : '(its log cannot be read)';
}
