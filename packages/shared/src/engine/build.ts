import type { BuildRequest, BuiltImage, ImageBuilder, Log } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import { buildWithBuildx, buildxVersion, goesToRegistry } from './buildx.ts';
import { buildClassic } from './classic.ts';
import type { Connection } from './connect.ts';
import {
  type AuthLookup,
  configAuth,
  configuredRegistries,
  type RegistryAuth,
  readDockerConfig,
  registryOf,
  serverAddress,
  withLogin,
} from './docker-config.ts';
import { asked } from './faults.ts';
import { confirmDigest, push } from './push.ts';

export interface BuilderOptions {
  readonly connection: Connection;
  readonly builder: 'auto' | 'buildx' | 'engine';
  /** A login for the registry of the image; null leaves it to the user's Docker config. */
  readonly login: { readonly username: string; readonly password: string } | null;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * The builder that was asked for. `auto` is Buildx where its plugin is, else the engine's own builder, which knows no BuildKit features.
 * @throws UserError when Buildx was asked for and is not there.
 */
export async function imageBuilder(options: BuilderOptions): Promise<ImageBuilder> {
  const env = options.env ?? process.env;
  const version = options.builder === 'engine' ? null : await buildxVersion(env);
  if (options.builder === 'buildx' && version === null)
    throw new UserError(
      'Input `builder` is `buildx`, but `docker buildx version` names no Buildx of 0.13 or later.',
      'Install it (docker/setup-buildx-action), or set `builder` to `auto`.',
    );
  return new Builder(options, env, version);
}

class Builder implements ImageBuilder {
  readonly description: string;
  private readonly options: BuilderOptions;
  private readonly env: Readonly<Record<string, string | undefined>>;
  private readonly buildx: boolean;

  constructor(options: BuilderOptions, env: Readonly<Record<string, string | undefined>>, version: string | null) {
    this.options = options;
    this.env = env;
    this.buildx = version !== null;
    this.description = version === null ? "the Docker engine's own builder" : `Docker Buildx ${version}`;
  }

  async build(request: BuildRequest, log: Log, signal: AbortSignal): Promise<BuiltImage> {
    const reference = request.references[0] ?? '';
    const login = this.login(reference);
    const auth = withLogin(login, configAuth(readDockerConfig(this.env), this.env));
    const built = this.buildx
      ? await buildWithBuildx(request, login, this.env, log, signal)
      : { imageId: await this.classic(request, auth, log, signal), digest: '' };
    const builder = this.buildx ? 'buildx' : 'engine';
    if (goesToRegistry(request)) {
      const digest = await confirmDigest(this.options.connection.docker, reference, built.digest, auth);
      return { builder, imageId: '', digest, size: null };
    }
    const { id, size } = await this.inspect(reference);
    const digest = request.push ? await this.pushAll(request.references, auth, log, signal) : '';
    return { builder, imageId: id, digest, size };
  }

  private login(reference: string): RegistryAuth | null {
    return this.options.login ? { ...this.options.login, serveraddress: serverAddress(registryOf(reference)) } : null;
  }

  private async classic(request: BuildRequest, auth: AuthLookup, log: Log, signal: AbortSignal): Promise<string> {
    refuseBuildKitFeatures(request);
    const registries = new Set([
      ...configuredRegistries(readDockerConfig(this.env)),
      ...request.references.map(registryOf),
    ]);
    const credentials = await Promise.all([...registries].map(auth));
    const known = credentials.filter((each) => each !== null);
    return buildClassic(this.options.connection.docker, request, known, log, signal);
  }

  private async inspect(reference: string): Promise<{ id: string; size: number }> {
    const { docker, host } = this.options.connection;
    const image = await asked(host, `inspect ${reference}`, () => docker.getImage(reference).inspect(), {
      remedy: 'The build ended well, but the engine does not have the image: check the Buildx builder in use.',
    });
    return { id: image?.Id ?? '', size: image?.Size ?? 0 };
  }

  /** All tags name one image, so the registry has to give them one digest. */
  private async pushAll(
    references: readonly string[],
    auth: AuthLookup,
    log: Log,
    signal: AbortSignal,
  ): Promise<string> {
    const { docker } = this.options.connection;
    let first = '';
    for (const reference of references) {
      const digest = await confirmDigest(docker, reference, await push(docker, reference, auth, log, signal), auth);
      log.info(`The registry confirms ${reference} as ${digest}.`);
      first ||= digest;
    }
    return first;
  }
}

/** What the engine's own builder cannot do is refused, never left out. */
function refuseBuildKitFeatures(request: BuildRequest): void {
  const used = [
    Object.keys(request.secrets).length > 0 ? '`secrets`' : '',
    request.platforms.length > 0 ? '`platforms`' : '',
    request.cacheTo.length > 0 ? '`cache-to`' : '',
  ].filter((name) => name !== '');
  if (used.length > 0)
    throw new UserError(
      `${used.join(', ')} ${used.length > 1 ? 'take' : 'takes'} BuildKit, and Docker Buildx is not there.`,
      'Install it (docker/setup-buildx-action).',
    );
}
