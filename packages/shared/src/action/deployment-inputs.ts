import { duration, type Grammar, integer, list, oneOf, pattern, Refused } from '../domain/grammar.ts';
import { absolutePath, appName, hostUrl, imageReference } from '../domain/names.ts';
import { redisSecrets, redisUrl } from '../domain/redis-url.ts';
import { maybe, optional, required, secret } from './inputs.ts';

const containerName = pattern('a Docker container name', /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, 128);

/** A program, by name on the PATH or by absolute path. */
const program: Grammar<string> = {
  allowed: 'a program name or its absolute path',
  parse(raw) {
    if (raw.startsWith('/')) return absolutePath.parse(raw);
    if (!/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}$/.test(raw)) throw new Refused('is no program name');
    return raw;
  },
};

/** The pinned Nginx that the suite is tested with. */
export const NGINX_IMAGE = 'nginx:1.30.6';

/** The inputs that every deployment action has. */
export const deploymentInputs = {
  app: required(appName),
  environment: optional(appName, 'production'),
  'redis-url': secret(optional(redisUrl, 'redis://127.0.0.1:6379'), redisSecrets),
  hosts: maybe(list(hostUrl, { commas: true, max: 100 }), [] as readonly string[]),
  nginx: optional(oneOf('container', 'host'), 'container'),
  'nginx-container': optional(containerName, 'cd-nginx'),
  'nginx-image': optional(imageReference, NGINX_IMAGE),
  'nginx-ports': optional(list(integer(1, 65_535), { commas: true, max: 50 }), '80,443'),
  'nginx-config-dir': optional(absolutePath, '/etc/nginx/cd-actions'),
  'nginx-binary': optional(program, 'nginx'),
  'nginx-main-config': optional(absolutePath, '/etc/nginx/nginx.conf'),
  'lock-wait': optional(duration(0, 3_600_000), '60s'),
} as const;
