import { DeliveryError, messageOf, UnavailableError, UserError } from '../domain/errors.ts';

interface ApiError extends Error {
  readonly statusCode?: number;
  readonly json?: { readonly message?: string } | null;
}

/** The HTTP status of an Engine API error; undefined when the engine did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error ? (error as ApiError).statusCode : undefined;
}

/** The engine's own words. */
export function wordsOf(error: unknown): string {
  const said = (error as ApiError | undefined)?.json?.message ?? messageOf(error);
  return said
    .replace(/^\(HTTP code \d+\) [a-z ]+ - /, '')
    .trim()
    .replace(/\.$/, '');
}

const known = (error: unknown): boolean =>
  [UserError, DeliveryError, UnavailableError].some((kind) => error instanceof kind);

/**
 * What a failed call of the engine means to the user: 4xx is theirs to put right, 5xx is the engine's refusal, and no answer is an
 * engine that is away. `doing` completes "could not …".
 */
export function dockerFault(host: string, doing: string, error: unknown, remedy?: string): Error {
  if (known(error) || (error as Error | undefined)?.name === 'AbortError') return error as Error;
  const status = statusOf(error);
  const message = `Docker on ${host} could not ${doing}: ${wordsOf(error)}.`;
  if (status === undefined) return new UnavailableError('Docker', message, { cause: error });
  if (status < 500) return new UserError(message, remedy, { cause: error });
  return new DeliveryError(remedy ? `${message} ${remedy}` : message, undefined, { cause: error });
}

/** The result of `work`; its failure told as `dockerFault` does. Statuses in `fine` give undefined. */
export async function asked<T>(
  host: string,
  doing: string,
  work: () => Promise<T>,
  options: { readonly fine?: readonly number[]; readonly remedy?: string } = {},
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const status = statusOf(error);
    if (status !== undefined && options.fine?.includes(status)) return undefined;
    throw dockerFault(host, doing, error, options.remedy);
  }
}
