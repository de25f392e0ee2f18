import { DeliveryError } from '../domain/errors.ts';
import { formatDuration } from '../domain/grammar.ts';
import type { Instance, InstanceSpec } from '../domain/release.ts';
import type { Context, Engine, Proxy } from './ports.ts';

/** One probe never takes longer than this, milliseconds. */
const PROBE_TIMEOUT = 5000;

type Checked = Pick<InstanceSpec, 'port' | 'health'>;

/** What an instance answered over time; equal answers in a row are one line. */
export class Transcript {
  readonly #lines: { answer: string; from: number; to: number; times: number }[] = [];

  add(milliseconds: number, answer: string): void {
    const last = this.#lines.at(-1);
    if (last?.answer === answer) {
      last.to = milliseconds;
      last.times += 1;
    } else {
      this.#lines.push({ answer, from: milliseconds, to: milliseconds, times: 1 });
    }
  }

  toString(): string {
    return this.#lines
      .map(
        ({ answer, from, to, times }) =>
          `  ${formatDuration(from)}${times > 1 ? ` to ${formatDuration(to)} (${times} times)` : ''}: ${answer}`,
      )
      .join('\n');
  }
}

/**
 * Waits until the instance answers its health check, from where its traffic will come, and has answered without a break for
 * `health.stable`. Throws `DeliveryError` with the transcript, the container's state and its last log lines when it does not
 * within `health.timeout`, or as soon as its process has ended for good.
 */
export async function waitHealthy(ctx: Context, engine: Engine, instance: Instance, spec: Checked): Promise<void> {
  const { health } = spec;
  const proxy = ctx.fleet.proxies.find((each) => each.reaches(instance));
  if (!proxy) throw new DeliveryError(`No Nginx can reach ${instance.name} on ${instance.host}.`);
  const transcript = new Transcript();
  const started = ctx.clock.now();
  let healthySince: number | null = null;
  for (;;) {
    const answer = await probe(proxy, instance, spec);
    const now = ctx.clock.now();
    transcript.add(now - started, answer.text);
    healthySince = answer.healthy ? (healthySince ?? now) : null;
    if (healthySince !== null && now - healthySince >= health.stable) return;
    const ended = answer.healthy ? '' : await endedForGood(engine, instance);
    if (ended !== '') throw await unhealthy(engine, instance, ended, transcript);
    if (now - started >= health.timeout) {
      throw await unhealthy(
        engine,
        instance,
        `did not become healthy within ${formatDuration(health.timeout)}`,
        transcript,
      );
    }
    await ctx.clock.sleep(health.interval, ctx.signal);
  }
}

async function probe(
  proxy: Proxy,
  instance: Instance,
  { port, health }: Checked,
): Promise<{ healthy: boolean; text: string }> {
  // The application's own port may be published under another number.
  const at = health.port === port ? instance.port : health.port;
  const answer = await proxy.probe(instance.address, at, health.path, PROBE_TIMEOUT);
  const healthy = health.status.some(([from, to]) => answer.status >= from && answer.status <= to);
  return { healthy, text: answer.status === 0 ? answer.error : `GET ${health.path} ${answer.status}` };
}

/** A container that exited or restarts in a loop will not become healthy by waiting. */
async function endedForGood(engine: Engine, instance: Instance): Promise<string> {
  const { state, exitCode } = await engine.diagnose(instance);
  if (state === 'exited' || state === 'dead' || state === 'removed')
    return `ended with exit code ${exitCode ?? 'unknown'}`;
  return state === 'restarting' ? `ends with exit code ${exitCode ?? 'unknown'} and is restarted in a loop` : '';
}

async function unhealthy(
  engine: Engine,
  instance: Instance,
  what: string,
  transcript: Transcript,
): Promise<DeliveryError> {
  const diagnosis = await engine.diagnose(instance);
  const memory = diagnosis.outOfMemory ? ' It ran out of memory.' : '';
  const exit = diagnosis.exitCode === null ? '' : `, exit code ${diagnosis.exitCode}`;
  return new DeliveryError(
    [
      `${instance.name} ${what}.${memory}`,
      `State: ${diagnosis.state}${exit}.`,
      `Health checks:\n${transcript}`,
      `Last log lines:\n${diagnosis.logs === '' ? '  (none)' : diagnosis.logs.replace(/^/gm, '  ')}`,
    ].join('\n'),
  );
}
