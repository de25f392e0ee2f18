import { randomBytes, randomInt } from 'node:crypto';
import type Dockerode from 'dockerode';
import { LABEL } from './container.ts';
import { asked, dockerFault, statusOf, wordsOf } from './faults.ts';

/**
 * Creates the managed bridge network unless it is there. Docker hands out the lower half of its addresses; the upper half is for
 * instances, which keep theirs through restarts of the container, the engine and the machine, so that Nginx always finds them.
 * Two runs may do this at once.
 */
export async function ensureNetwork(docker: Dockerode, host: string, name: string): Promise<void> {
  const found = await asked(host, `inspect the network ${name}`, () => docker.getNetwork(name).inspect(), {
    fine: [404],
  });
  if (found) return;
  for (let attempt = 1; ; attempt += 1) {
    const subnet = await freeSubnet(docker, host, name);
    try {
      await createNetwork(docker, name, subnet ? [{ Subnet: subnet, IPRange: lowerHalf(subnet) }] : []);
      return;
    } catch (error) {
      if (statusOf(error) === 409) return;
      // Somebody else was given the subnet meanwhile.
      if (attempt >= 5 || !/overlaps/i.test(wordsOf(error)))
        throw dockerFault(host, `create the network ${name}`, error);
    }
  }
}

async function createNetwork(
  docker: Dockerode,
  name: string,
  config: readonly { Subnet: string; IPRange: string }[],
): Promise<Dockerode.Network> {
  return docker.createNetwork({
    Name: name,
    Driver: 'bridge',
    // Without it Docker gladly makes a second network of the same name.
    CheckDuplicate: true,
    Labels: { [LABEL.managed]: 'true' },
    IPAM: { Config: [...config] },
  });
}

/** Only Docker knows which subnet is free: it chooses one for a network that is removed again. Null when it chose one that cannot be halved. */
async function freeSubnet(docker: Dockerode, host: string, name: string): Promise<string | null> {
  const probe = `${name}-probe-${randomBytes(4).toString('hex')}`;
  try {
    const network = await createNetwork(docker, probe, []);
    const info = (await network.inspect()) as { IPAM?: { Config?: { Subnet?: string }[] } };
    await network.remove();
    const subnet = info.IPAM?.Config?.map((each) => each.Subnet ?? '').find((each) => SUBNET.test(each)) ?? '';
    return subnet !== '' && Number(subnet.split('/')[1]) <= SMALLEST_PREFIX ? subnet : null;
  } catch (error) {
    throw dockerFault(host, `create the network ${name}`, error);
  }
}

const SUBNET = /^\d+\.\d+\.\d+\.\d+\/\d+$/;
/** A smaller subnet is not halved. */
const SMALLEST_PREFIX = 26;

function lowerHalf(subnet: string): string {
  const [base = '', prefix = ''] = subnet.split('/');
  return `${base}/${Number(prefix) + 1}`;
}

/**
 * An address of the upper half, drawn by chance; undefined on a network that was not made so, where Docker chooses. Who draws one
 * that is taken draws again.
 */
export async function drawAddress(docker: Dockerode, host: string, name: string): Promise<string | undefined> {
  const info = (await asked(host, `inspect the network ${name}`, () => docker.getNetwork(name).inspect())) as
    | { readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string; readonly IPRange?: string }[] } }
    | undefined;
  const config = info?.IPAM?.Config?.find((each) => SUBNET.test(each.Subnet ?? ''));
  if (!config?.Subnet || config.IPRange !== lowerHalf(config.Subnet)) return undefined;
  const [base = '', prefix = ''] = config.Subnet.split('/');
  const half = 2 ** (31 - Number(prefix));
  return fromNumber(toNumber(base) + half + randomInt(half - 1));
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function fromNumber(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
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
