import net from 'node:net';
import { UserError } from '../../domain/errors.ts';

/** One address of a host, as the resolver gives it. */
export interface Address {
  readonly address: string;
  readonly family: number;
}

/** Loopback (RFC 1122, RFC 4291) and private addresses (RFC 1918, RFC 4193). Link-local is not among them: cloud metadata lives there. */
const OWN = new net.BlockList();
OWN.addSubnet('127.0.0.0', 8);
OWN.addSubnet('10.0.0.0', 8);
OWN.addSubnet('172.16.0.0', 12);
OWN.addSubnet('192.168.0.0', 16);
OWN.addAddress('::1', 'ipv6');
OWN.addSubnet('fc00::', 7, 'ipv6');

/** An address of this machine or of a private network. */
export function isOwn(address: string): boolean {
  return OWN.check(address, net.isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** The host is among the patterns. */
export function isNamed(host: string, allowed: readonly string[]): boolean {
  const name = host.toLowerCase();
  return allowed.some((each) => (each.startsWith('*.') ? name.endsWith(each.slice(1)) : name === each));
}

/**
 * Resolves the target once and refuses to load it unless it is on this machine or a private network, or named in `allowed`. The load is then sent
 * to these addresses alone, so that a name which changes its mind leads nowhere else.
 * @throws UserError when it may not be loaded or cannot be resolved.
 */
export async function admitTarget(
  url: URL,
  allowed: readonly string[],
  resolve: (host: string) => Promise<readonly Address[]>,
): Promise<readonly Address[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = await resolve(host).catch((error: unknown) => {
    throw new UserError(`The host ${host} of \`target-url\` cannot be resolved.`, 'Look at its spelling and at DNS.', {
      cause: error,
    });
  });
  if (addresses.length === 0) throw new UserError(`The host ${host} of \`target-url\` has no address.`);
  const foreign = addresses.find(({ address }) => !isOwn(address));
  if (foreign === undefined || isNamed(host, allowed)) return addresses;
  throw new UserError(
    `${host} (${foreign.address}) is neither this machine nor in a private network, so it is not put under load.`,
    `If it is yours to load, name it: \`allowed-targets: ${host}\`.`,
  );
}
