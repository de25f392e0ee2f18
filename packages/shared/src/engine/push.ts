import type Dockerode from 'dockerode';
import type { Log } from '../delivery/ports.ts';
import { DeliveryError, UserError } from '../domain/errors.ts';
import { type AuthLookup, registryOf } from './docker-config.ts';
import { statusOf, wordsOf } from './faults.ts';
import { parseReference } from './images.ts';
import { inert, jsonLines } from './text.ts';

interface PushEvent {
  readonly status?: string;
  readonly id?: string;
  readonly progress?: string;
  readonly error?: string;
  readonly aux?: { readonly Digest?: string };
}

/** Pushes one reference. Returns the digest that the engine reported. @throws UserError when the registry refuses. */
export async function push(
  docker: Dockerode,
  reference: string,
  auth: AuthLookup,
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  const { repository, tag } = parseReference(reference);
  const registry = registryOf(reference);
  // The API wants the header even for an anonymous push.
  const authconfig = (await auth(registry)) ?? { username: '', password: '', serveraddress: registry };
  let digest = '';
  try {
    const stream = await docker.getImage(repository).push({ tag, authconfig, abortSignal: signal });
    await log.group(`Push ${reference}`, async () => {
      for await (const event of jsonLines(stream as AsyncIterable<Buffer>)) {
        const { status, id, progress, error, aux } = event as PushEvent;
        if (error) throw new Error(error);
        if (status && !progress) log.info(inert(id ? `${id}: ${status}` : status));
        digest = aux?.Digest ?? digest;
      }
    });
  } catch (error) {
    signal.throwIfAborted();
    throw refused(reference, registry, error);
  }
  if (digest === '') throw new DeliveryError(`The engine pushed ${reference} but reported no digest.`);
  return digest;
}

function refused(reference: string, registry: string, error: unknown): UserError {
  const login = `Give \`registry-username\` and \`registry-password\` with the right to push, or log in to ${registry} before (docker/login-action).`;
  const denied = /denied|unauthorized|authentication|no basic auth|forbidden/i.test(wordsOf(error));
  const remedy = denied ? login : `Check that ${registry} is the right registry and that the engine reaches it.`;
  return new UserError(`${reference} could not be pushed: ${wordsOf(error)}.`, remedy, { cause: error });
}

/**
 * Asks the registry, through the engine, which digest it has under a reference, and holds it against the one that the push reported.
 * @throws DeliveryError when they differ or the registry does not have it.
 */
export async function confirmDigest(
  docker: Dockerode,
  reference: string,
  reported: string,
  auth: AuthLookup,
): Promise<string> {
  const authconfig = await auth(registryOf(reference));
  let confirmed: string;
  try {
    const answer = await docker.getImage(reference).distribution(authconfig ? { authconfig } : {});
    confirmed = answer.Descriptor.digest;
  } catch (error) {
    const status = statusOf(error) === undefined ? '' : ` (${statusOf(error)})`;
    throw new DeliveryError(
      `${reference} was pushed, but the registry does not confirm it${status}: ${wordsOf(error)}.`,
      undefined,
      { cause: error },
    );
  }
  if (confirmed !== reported)
    throw new DeliveryError(
      `${reference} was pushed as ${reported}, but the registry now has ${confirmed} under that tag: somebody else pushed the same tag.`,
    );
  return confirmed;
}
