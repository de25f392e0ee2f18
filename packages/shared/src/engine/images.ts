import type Dockerode from 'dockerode';
import type { ImageFacts } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import { type AuthLookup, registryOf } from './docker-config.ts';
import { asked, statusOf, wordsOf } from './faults.ts';
import { jsonLines } from './text.ts';

/** The parts of an image reference. `tag` is `latest` when neither tag nor digest is given, as Docker has it. */
export interface Reference {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

export function parseReference(reference: string): Reference {
  const [named = '', digest = ''] = reference.split('@');
  const colon = named.lastIndexOf(':');
  const tagged = colon > named.lastIndexOf('/');
  const repository = tagged ? named.slice(0, colon) : named;
  return { repository, tag: tagged ? named.slice(colon + 1) : digest ? '' : 'latest', digest };
}

const isId = (reference: string): boolean => /^sha256:[0-9a-f]{64}$/.test(reference);

/** What the host has under a reference; pulls it when it has nothing. @throws UserError when it cannot be had. */
export async function findImage(
  docker: Dockerode,
  host: string,
  reference: string,
  auth: AuthLookup,
): Promise<ImageFacts> {
  const local = await inspectImage(docker, host, reference);
  if (local) return local;
  if (isId(reference))
    throw new UserError(
      `Docker on ${host} has no image ${reference}, and an image id cannot be pulled.`,
      'Give the image by repository and tag or digest.',
    );
  await pull(docker, host, reference, auth);
  const pulled = await inspectImage(docker, host, reference);
  if (pulled) return pulled;
  throw new UserError(
    `Docker on ${host} pulled ${reference} but does not have it.`,
    'Check the platform of the image.',
  );
}

/** What the host has under a reference; null when it has nothing. */
export async function inspectImage(docker: Dockerode, host: string, reference: string): Promise<ImageFacts | null> {
  const found = await asked(host, `inspect the image ${reference}`, () => docker.getImage(reference).inspect(), {
    fine: [404],
  });
  if (!found) return null;
  return {
    id: found.Id,
    digest: digestOf(found.RepoDigests ?? [], reference),
    created: found.Created,
    labels: found.Config?.Labels ?? {},
  };
}

/** The registry's digest among `RepoDigests` for the repository of the reference; for an id, the only one there is. */
export function digestOf(repoDigests: readonly string[], reference: string): string {
  const { repository, digest } = parseReference(reference);
  if (digest && !isId(reference)) return digest;
  const digests = repoDigests
    .filter((each) => isId(reference) || canonical(each.split('@')[0] ?? '') === canonical(repository))
    .map((each) => each.split('@')[1] ?? '');
  return new Set(digests).size === 1 ? (digests[0] ?? '') : '';
}

/** `nginx`, `library/nginx` and `docker.io/library/nginx` are one repository. */
function canonical(repository: string): string {
  const registry = registryOf(repository);
  if (registry !== 'docker.io') return repository;
  const path = repository.replace(/^(?:index\.)?docker\.io\//, '');
  return `docker.io/${path.includes('/') ? path : `library/${path}`}`;
}

async function pull(docker: Dockerode, host: string, reference: string, auth: AuthLookup): Promise<void> {
  const registry = registryOf(reference);
  const remedy = `Check the name, that ${registry} can be reached from that host, and the login (\`docker login\` where this runs, or docker/login-action).`;
  const credentials = await auth(registry);
  const { repository, tag, digest } = parseReference(reference);
  const exact = digest ? `${repository}@${digest}` : `${repository}:${tag}`;
  const options = credentials ? { authconfig: credentials } : {};
  // A registry that cannot be reached is a 500 of the engine, yet the user's to put right.
  const failed = (error: unknown): UserError =>
    new UserError(`Docker on ${host} could not pull ${reference}: ${wordsOf(error)}.`, remedy, { cause: error });
  const stream = await asked(host, `pull ${reference}`, () =>
    docker.pull(exact, options).catch((error: unknown) => {
      throw statusOf(error) === undefined ? error : failed(error);
    }),
  );
  for await (const event of jsonLines(stream as AsyncIterable<Buffer>)) {
    const { error } = event as { error?: string };
    if (error) throw failed(new Error(error));
  }
}
