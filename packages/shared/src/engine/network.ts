import type Dockerode from 'dockerode';
import { LABEL } from './container.ts';
import { asked, dockerFault, statusOf } from './faults.ts';

/** Creates the managed bridge network unless it is there. Two runs may do so at once. */
export async function ensureNetwork(docker: Dockerode, host: string, name: string): Promise<void> {
  const found = await asked(host, `inspect the network ${name}`, () => docker.getNetwork(name).inspect(), {
    fine: [404],
  });
  if (found) return;
  try {
    await docker.createNetwork({
      Name: name,
      Driver: 'bridge',
      // Without it Docker gladly makes a second network of the same name.
      CheckDuplicate: true,
      Labels: { [LABEL.managed]: 'true' },
    });
  } catch (error) {
    if (statusOf(error) === 409) return;
    throw dockerFault(host, `create the network ${name}`, error);
  }
}

/** Connects a created container to further networks: before API 1.44 a container is created with one only. */
export async function joinNetworks(
  docker: Dockerode,
  host: string,
  container: Dockerode.Container,
  networks: readonly string[],
): Promise<void> {
  for (const name of networks) {
    await asked(
      host,
      `connect a container to the network ${name}`,
      () => docker.getNetwork(name).connect({ Container: container.id }),
      { remedy: `Create it with \`docker network create ${name}\`, or leave it out of \`networks\`.` },
    );
  }
}
