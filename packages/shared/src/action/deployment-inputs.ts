import { duration, type Grammar, list, oneOf, pattern, Refused } from '../domain/grammar.ts';
import { absolutePath, appName, hostUrl, imageReference } from '../domain/names.ts';
import { maybe, optional, required, secret } from './inputs.ts';

/** The address of the deployment registry, kept whole for ioredis. */
const redisUrl: Grammar<string> = {
  allowed: 'a URL such as `redis://127.0.0.1:6379`, `rediss://user:password@host:6380/0`',
  parse(raw) {
    const url = URL.canParse(raw) && raw.length <= 2048 && !/\s/.test(raw) ? new URL(raw) : undefined;
    if (!url) throw new Refused('is not a URL');
    if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
      throw new Refused('is not a `redis://` or `rediss://` URL');
    if (url.hostname === '') throw new Refused('names no host');
    if (decoded(url.username) === null || decoded(url.password) === null)
      throw new Refused('has a user or password with a `%` that encodes nothing');
    if (!/^(\/\d{0,3})?$/.test(url.pathname)) throw new Refused('has a path that is no database number');
    return raw;
  },
};

/** The text that a percent-encoded one stands for; null when it stands for none. */
function decoded(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null;
  }
}

/** The password as written and as sent. Of something that is no URL, all of it: a password may be anywhere in it. */
function passwordOf(raw: string): readonly string[] {
  if (!URL.canParse(raw)) return raw.trim() === '' ? [] : [raw.trim()];
  const { password } = new URL(raw);
  const written = /\/\/[^/@]*:([^/]*)@/.exec(raw)?.[1];
  return [...new Set([password, written, decoded(password)])].filter(
    (each) => each !== undefined && each !== null && each !== '',
  ) as string[];
}

const containerName = pattern('a Docker container name', /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, 128);

/** A program, by name on the PATH or by absolute path. */
const program: Grammar<string> = pattern(
  'a program name or its absolute path',
  /^(?:\/[A-Za-z0-9/._@+-]+|[A-Za-z0-9._+-]+)$/,
  1024,
);

/** The pinned Nginx that the suite is tested with. */
export const NGINX_IMAGE = 'nginx:1.30.0';

/** The inputs that every deployment action has. */
export const deploymentInputs = {
  app: required(appName),
  environment: optional(appName, 'production'),
  'redis-url': secret(optional(redisUrl, 'redis://127.0.0.1:6379'), passwordOf),
  hosts: maybe(list(hostUrl, { commas: true, max: 100 }), [] as readonly string[]),
  nginx: optional(oneOf('container', 'host'), 'container'),
  'nginx-container': optional(containerName, 'cd-nginx'),
  'nginx-image': optional(imageReference, NGINX_IMAGE),
  'nginx-config-dir': optional(absolutePath, '/etc/nginx/cd-actions'),
  'nginx-binary': optional(program, 'nginx'),
  'nginx-main-config': optional(absolutePath, '/etc/nginx/nginx.conf'),
  'lock-wait': optional(duration(0, 3_600_000), '60s'),
} as const;
