import { type Grammar, integer, mapped, pattern, Refused } from './grammar.ts';
import type { MatchRule, Route } from './traffic.ts';

/** A host name as Nginx's `server_name` takes it, in lower case: exact, or with a leading `*.`; `_` for every other host. */
export const serverName: Grammar<string> = mapped(
  pattern(
    'a host name such as `shop.example.com` or `*.example.com`, or `_` for any',
    /^(?:_|(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*)$/,
    253,
  ),
  (name) => name.toLowerCase(),
);

const port = integer(1, 65_535);

/** A port, or an IP address and port: `80`, `127.0.0.1:8080`, `[::1]:8080`. */
export const listenAddress: Grammar<string> = {
  allowed: 'a port, or an address and port: `80`, `127.0.0.1:8080`, `[::]:80`',
  parse(raw) {
    const match = /^(?:(\d{1,3}(?:\.\d{1,3}){3})|(\[[0-9A-Fa-f:.]{2,45}\])):(\d{1,5})$/.exec(raw);
    if (!match) return String(port.parse(raw));
    if (!isAddress(match[1] ?? match[2] ?? '')) throw new Refused('does not begin with an IP address');
    port.parse(match[3] ?? '');
    return raw;
  },
};

/** IPv4 in its usual spelling, or IPv6 in brackets. */
function isAddress(text: string): boolean {
  if (text.startsWith('[')) return URL.canParse(`http://${text}/`);
  return text.split('.').every((part) => Number(part) <= 255 && String(Number(part)) === part);
}

/** A URL path without anything that Nginx, a shell or a URL parser could read otherwise. */
export const pathPrefix: Grammar<string> = {
  allowed: 'a path that begins with `/`, of letters, digits, `/`, `.`, `_`, `-`, `~`',
  parse(raw) {
    if (raw.length > 512) throw new Refused('is longer than 512 characters');
    if (!/^\/[A-Za-z0-9/._~-]*$/.test(raw)) throw new Refused('is not a plain path');
    if (/\/\/|(?:^|\/)\.{1,2}(?:\/|$)/.test(raw)) throw new Refused('contains `//`, `.` or `..`');
    return raw;
  },
};

const RULE = {
  header: /^([A-Za-z0-9][A-Za-z0-9-]{0,63})=([A-Za-z0-9._-]{1,128})$/,
  cookie: /^([A-Za-z0-9_]{1,64})=([A-Za-z0-9._-]{1,128})$/,
} as const;

/** `name=value` of a header or a cookie. Nginx has no variable for a cookie with `-`, and drops headers with `_`. */
export function matchRule(kind: MatchRule['kind']): Grammar<{ readonly name: string; readonly value: string }> {
  const inName = kind === 'header' ? '`-`' : '`_`';
  return {
    allowed: kind === 'header' ? '`Name=value`, such as `X-Canary=always`' : '`name=value`, such as `canary=always`',
    parse(raw) {
      const match = RULE[kind].exec(raw);
      if (!match?.[1] || !match[2])
        throw new Refused(
          `is not \`name=value\`: letters, digits and ${inName} in the name; letters, digits, \`.\`, \`_\`, \`-\` in the value`,
        );
      return { name: match[1], value: match[2] };
    },
  };
}

/** Every address that a route listens on. */
export function listensOf(route: Route): readonly string[] {
  return [...route.listen, ...(route.redirect ?? [])];
}
