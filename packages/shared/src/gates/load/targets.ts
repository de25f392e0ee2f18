import { type Grammar, Refused } from '../../domain/grammar.ts';

/** Roughly an IPv6 address: one that is not is never resolved to, and so allows nothing. */
const IPV6 = /^(?=.*:.*:)[0-9a-f:.]{2,45}$/i;

/** A host that may be loaded: `shop.example.com`, `*.staging.example.com` (any name below), or an address. */
export const targetPattern: Grammar<string> = {
  allowed: 'a host name, `*.` and a domain, or an IP address, without scheme, port or path',
  parse(raw) {
    const name = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
    if (raw.length > 253 || (!name.test(raw) && !IPV6.test(raw))) throw new Refused('is no host name or address');
    if (/^\*\.[^.]+$/.test(raw)) throw new Refused('names a whole top-level domain');
    return raw.toLowerCase();
  },
};
