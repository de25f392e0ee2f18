import { CannotBegin } from '../scanner.ts';
import { findProgram } from './program.ts';
import { localTool, type Tool } from './tool.ts';

export interface LocateOptions {
  readonly tool: string;
  /** The program, as it is called on the PATH. */
  readonly program: string;
  /** Asked for by name: then its container image is fetched where it is not there. */
  readonly named: boolean;
  readonly offline: boolean;
  readonly image: string;
  readonly temp: string;
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the Docker host has an image, fetching it when told to. Rejects when it cannot be fetched. */
  readonly hasImage: (image: string, fetch: boolean) => Promise<boolean>;
  readonly inContainer: (image: string) => Promise<Tool>;
}

/**
 * The tool from the PATH, else as its pinned image on the Docker host.
 * @throws CannotBegin when there is neither, saying what to install.
 */
export async function locateTool(options: LocateOptions): Promise<Tool> {
  const { program, image, named, offline, temp, env } = options;
  const local = findProgram(program, options.path);
  if (local !== null) return localTool(local, { temp, env });
  const fetch = named && !offline;
  const present = await options.hasImage(image, fetch).catch((error: unknown) => {
    // Where nobody asked for the tool, a Docker host that does not answer is one that has no image of it.
    if (named) throw error;
    return false;
  });
  if (present) return options.inContainer(image);
  const install = `Install ${program} on the runner, or pull ${image} on the Docker host.`;
  throw new CannotBegin(`there is no ${program} on the PATH and no image ${image} on the Docker host. ${install}`);
}
