import { createHash } from 'node:crypto';
import { type Grammar, pattern, Refused, text } from './grammar.ts';

const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** The name of an application or of an environment. */
export const appName: Grammar<string> = pattern(
  '1 to 40 of `a-z`, `0-9`, `-`, not beginning or ending with `-`',
  NAME,
  40,
);

/** A version: the grammar of a Docker tag (https://pkg.go.dev/github.com/distribution/reference). */
export const versionName: Grammar<string> = pattern(
  'a version such as `1.4.2` or `3f2a9c1`: letters, digits, `_`, `.`, `-`, not beginning with `.` or `-`',
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/,
  128,
);

const DOMAIN = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*';
const PATH = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*';
const REPOSITORY = `(?:${DOMAIN}(?::[0-9]{1,5})?/)?${PATH}`;

/** A repository without tag or digest, such as `ghcr.io/acme/shop`. */
export const repositoryName: Grammar<string> = pattern(
  'an image repository such as `ghcr.io/acme/shop`, without tag',
  new RegExp(`^${REPOSITORY}$`),
  255,
);

/** An image reference: `repository[:tag][@sha256:digest]`, or an image id `sha256:...`. */
export const imageReference: Grammar<string> = pattern(
  'an image such as `ghcr.io/acme/shop:1.4.2` or `ghcr.io/acme/shop@sha256:...`',
  new RegExp(
    `^(?:(?!sha256:)${REPOSITORY}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?|sha256:[0-9a-f]{64})$`,
  ),
  512,
);

/** An absolute path without `..`, spaces, quotes or any character that a shell or Nginx could read. */
export const absolutePath: Grammar<string> = {
  allowed: 'an absolute path of letters, digits, `/`, `.`, `_`, `-`, `@`, `+`, without `..`',
  parse(raw) {
    if (raw.length > 1024) throw new Refused('is longer than 1024 characters');
    if (!/^\/[A-Za-z0-9/._@+-]*$/.test(raw)) throw new Refused('is not a plain absolute path');
    if (raw.split('/').includes('..')) throw new Refused('contains `..`');
    return raw;
  },
};

/** A host name or address that cannot be taken for an option: `ssh` reads a leading dash as one (CVE-2017-1000117). */
const HOST = '(?:[A-Za-z0-9][A-Za-z0-9.-]*|\\[[0-9a-fA-F:]+\\])';
const HOST_URL = new RegExp(
  `^(?:unix:///[A-Za-z0-9/._@+-]+|tcp://${HOST}:(\\d{1,5})|ssh://(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?${HOST}(?::(\\d{1,5}))?)$`,
);

/** Where a host's Docker engine answers. */
export const hostUrl: Grammar<string> = {
  allowed: '`unix:///path`, `tcp://host:2376` or `ssh://user@host:port`',
  parse(raw) {
    const match = raw.length <= 512 ? HOST_URL.exec(raw) : null;
    if (!match) throw new Refused('does not have the allowed form');
    if (raw.split('/').includes('..')) throw new Refused('contains `..`');
    const port = Number(match[1] ?? match[2] ?? 22);
    if (port < 1 || port > 65_535) throw new Refused('has a port that is not between 1 and 65535');
    return raw;
  },
};

/** A reason or other sentence for people, one line. */
export const sentence: Grammar<string> = text('one line of text', { maxLength: 1000 });

/** Identifies a deployment: one app in one environment. Safe in a Redis key, a label, a file name and an Nginx string. */
export type DeploymentId = `${string}@${string}`;

export function deploymentId(app: string, environment: string): DeploymentId {
  return `${app}@${environment}`;
}

/**
 * The name of the Nginx upstream group that holds one release. Nginx compares upstream names without regard to case, so a
 * version with capitals carries a hash of its exact spelling.
 */
export function poolName(id: DeploymentId, version: string): string {
  const name = `cd.${id.replace('@', '.')}.${version.toLowerCase()}`;
  if (version === version.toLowerCase()) return name;
  return `${name}.${createHash('sha256').update(version).digest('hex').slice(0, 8)}`;
}
