import { DeliveryError } from '../domain/errors.ts';
import { formatDuration } from '../domain/grammar.ts';
import type { Instance, InstanceSpec } from '../domain/release.ts';
import type { Context, Diagnosis, Engine, Proxy } from './ports.ts';

/** One probe never takes longer than this, milliseconds. */
const PROBE_TIMEOUT = 5000;

type Checked = Pick<InstanceSpec, 'port' | 'health'>;
type Answer = { readonly healthy: boolean; readonly text: string };

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
    // A container that crashed leaves its address unanswered, which takes a probe seconds to find out; asking Docker does not.
    const [answer, ended]: readonly [Answer, string] = await Promise.all([
      probe(proxy, instance, spec),
      healthySince === null ? endedForGood(engine, instance) : '',
    ]);
    const now = ctx.clock.now();
    transcript.add(now - started, answer.text);
    healthySince = answer.healthy ? (healthySince ?? now) : null;
    if (healthySince !== null && now - healthySince >= health.stable) return;
    if (!answer.healthy && ended !== '') throw await unhealthy(ctx, engine, instance, ended, transcript);
    if (now - started >= health.timeout) {
      throw await unhealthy(
        ctx,
        engine,
        instance,
        `did not become healthy within ${formatDuration(health.timeout)}`,
        transcript,
      );
    }
    await ctx.clock.sleep(health.interval, ctx.signal);
  }
}

async function probe(proxy: Proxy, instance: Instance, { port, health }: Checked): Promise<Answer> {
  // The application's own port may be published under another number.
  const at = health.port === port ? instance.port : health.port;
  const answer = await proxy.probe(instance.address, at, health.path, PROBE_TIMEOUT);
  const healthy = health.status.some(([from, to]) => answer.status >= from && answer.status <= to);
  return { healthy, text: answer.status === 0 ? answer.error : `GET ${health.path} ${answer.status}` };
}

/** So many restarts are a crash loop; one or two may be an application that waits for its database in its own way. */
const CRASH_LOOP = 3;

/** A container that has ended, or crashes again and again, will not become healthy by waiting. */
async function endedForGood(engine: Engine, instance: Instance): Promise<string> {
  const { state, restarts, exitCode } = await engine.diagnose(instance);
  if (state === 'exited' || state === 'dead') return `ended with exit code ${exitCode ?? 'unknown'}`;
  if (state === 'removed') return 'was removed';
  return restarts >= CRASH_LOOP ? `crashes again and again (restarted ${restarts} times)` : '';
}

/** A crash loop is `running` whenever one looks at the wrong moment: its exit code shows between two starts. */
async function lastEnd(ctx: Context, engine: Engine, instance: Instance): Promise<Diagnosis> {
  for (let looks = 1; ; looks += 1) {
    const diagnosis = await engine.diagnose(instance);
    if (diagnosis.restarts === 0 || diagnosis.exitCode !== null || looks >= 20) return diagnosis;
    await ctx.clock.sleep(100);
  }
}

async function unhealthy(
  ctx: Context,
  engine: Engine,
  instance: Instance,
  what: string,
  transcript: Transcript,
): Promise<DeliveryError> {
  const diagnosis = await lastEnd(ctx, engine, instance);
  const memory = diagnosis.outOfMemory ? ' It ran out of memory.' : '';
  const exit = diagnosis.exitCode === null ? '' : `, exit code ${diagnosis.exitCode}`;
  const restarts = diagnosis.restarts === 0 ? '' : `, restarted ${diagnosis.restarts} times`;
  return new DeliveryError(
    [
      `${instance.name} ${what}.${memory}`,
      `State: ${diagnosis.state}${exit}${restarts}.`,
      `Health checks:\n${transcript}`,
      `Last log lines:\n${diagnosis.logs === '' ? '  (none)' : diagnosis.logs.replace(/^/gm, '  ')}`,
    ].join('\n'),
  );
}
