import { createHash } from 'node:crypto';
import type { DeploymentId } from '../domain/names.ts';

/**
 * Where everything lies under one configuration directory.
 *
 *     nginx.conf            main configuration of a managed Nginx
 *     http.conf             what all apps share, included at `http` level
 *     admin.conf            the private server, readable by its owner alone
 *     admin.header          the private server's token as a request header, for curl
 *     njs/traffic.js        picks the upstream group of a request
 *     base.json             what the shared part was rendered for
 *     apps/<id>             link to the live generation
 *     generations/<id>/<token>/   http.conf, admin.conf, locations/<server>.conf, config.json
 *     servers/<server>.conf one server block, a pure function of its key, shared by apps
 *     members/<server>/<id> link to apps/<id>: who may stand in a server block; who does, says the live generation. Without it Nginx would
 *                           look into every app for every server block: 10 s with 1,000 of each
 *     plans/<id>.json       who gets which requests; the njs dictionary says the same
 *     staging/<token>/      a tree under test; nothing that serves or restarts reads it
 */
export interface Layout {
  readonly root: string;
  readonly main: string;
  readonly http: string;
  readonly admin: string;
  readonly adminHeader: string;
  readonly script: string;
  readonly base: string;
  app(id: DeploymentId): string;
  generations(id: DeploymentId): string;
  generation(id: DeploymentId, token: string): string;
  server(key: string): string;
  members(key: string): string;
  plan(id: DeploymentId): string;
  staging(token: string): string;
}

export function layout(root: string): Layout {
  return {
    root,
    main: `${root}/nginx.conf`,
    http: `${root}/http.conf`,
    admin: `${root}/admin.conf`,
    adminHeader: `${root}/admin.header`,
    script: `${root}/njs/traffic.js`,
    base: `${root}/base.json`,
    app: (id) => `${root}/apps/${id}`,
    generations: (id) => `${root}/generations/${id}`,
    generation: (id, token) => `${root}/generations/${id}/${token}`,
    server: (key) => `${root}/servers/${key}.conf`,
    members: (key) => `${root}/members/${key}`,
    plan: (id) => `${root}/plans/${id}.json`,
    staging: (token) => `${root}/staging/${token}`,
  };
}

/** The directories of a layout that must exist. */
export const DIRECTORIES = ['apps', 'generations', 'servers', 'members', 'plans', 'staging', 'njs'] as const;

/** The first 16 hexadecimal digits of a SHA-256. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
