import type { Clock } from '../delivery/ports.ts';
import { DeliveryError, StaleLeaseError } from '../domain/errors.ts';
import { quote } from './host.ts';
import { readWorkers, WORKERS } from './proc.ts';
import type { Site } from './site.ts';
import { emergencies } from './staging.ts';
import { OVERTAKEN } from './work.ts';

/** How long Nginx may take to load a configuration and to take the old workers off the listening sockets. */
const BOUND_MS = 10_000;
const POLL_MS = 25;
/** Where /proc cannot be read: this many answers of the new configuration in a row, spread over this long. */
const ANSWERS = 12;
const SPREAD_MS = 300;

/** What fresh connections have to be answered for a reload to count. */
export interface Expected {
  readonly path: string;
  accepts(status: number, body: string): boolean;
}

/**
 * Reloads, and returns once fresh connections are answered by the new configuration alone: the private server answers it, and every
 * worker that ran before is gone or has left the listening sockets. `first` runs before the signal, in the same round trip.
 * HUP never reports, so a configuration that is not taken over shows by the absence of these, and by what the error log has gained.
 * Throws `DeliveryError` with the cause.
 */
export async function reload(site: Site, clock: Clock, first: string, expected: Expected): Promise<void> {
  const log = await site.errorLog();
  const size = log === null ? 'echo 0' : `{ wc -c < ${quote(log)}; } 2>/dev/null || echo 0`;
  const began = await site.host.run(
    `${WORKERS}set -e\n${size}\nworkers ${site.master}\n${first}\n${site.command} -s reload </dev/null\n`,
    30_000,
  );
  if (began.code === OVERTAKEN)
    throw new StaleLeaseError(
      `Another run has changed what Nginx on ${site.name} serves meanwhile. Nothing was changed.`,
    );
  if (began.code !== 0) throw refused(began.stderr);
  const [offset = '0', ...listing] = began.stdout.split('\n');
  const before = new Set(readWorkers(listing.join('\n')).map(({ pid }) => pid));
  const observe = `${WORKERS}workers ${site.master}\necho '----'\n${log === null ? '' : `tail -c +${(Number.parseInt(offset, 10) || 0) + 1} ${quote(log)} 2>/dev/null | grep -F '[emerg]'`}\ntrue\n`;
  await confirm(site, clock, before, observe, expected);
}

async function confirm(
  site: Site,
  clock: Clock,
  before: ReadonlySet<number>,
  observe: string,
  expected: Expected,
): Promise<void> {
  const deadline = clock.now() + BOUND_MS;
  let said = '';
  let inARow = 0;
  let since = 0;
  while (clock.now() < deadline) {
    const answer = await site.host.admin({ method: 'GET', path: expected.path, script: observe });
    const [processes = '', log = ''] = answer.output.split('----\n');
    const workers = readWorkers(processes);
    said = emergencies(log) || said;
    if (expected.accepts(answer.status, answer.body)) {
      if (inARow === 0) since = clock.now();
      inARow += 1;
      const known = before.size > 0 && workers.length > 0;
      const oldAccepts = workers.some(({ pid, kind }) => kind === 'worker' && before.has(pid));
      if (known && !oldAccepts) return;
      if (!known && inARow >= ANSWERS && clock.now() - since >= SPREAD_MS) return;
    } else {
      inARow = 0;
      // A port that is taken is tried again for some seconds; anything else is final.
      if (said !== '' && !said.split('\n').every((line) => line.includes('bind() to'))) throw refused(said);
    }
    await clock.sleep(POLL_MS);
  }
  throw refused(
    said === ''
      ? `it still answers with the previous one after ${BOUND_MS / 1000} s, and its error log says nothing`
      : said,
  );
}

function refused(words: string): DeliveryError {
  const said = emergencies(words).replace(/^nginx: /gm, '');
  return new DeliveryError(`Nginx did not take the configuration over: ${said}`);
}
