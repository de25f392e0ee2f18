import { basename, resolve } from 'node:path';
import type { Settings } from './settings.ts';
import type { World } from './world.ts';

/** One version to deliver: what differs in its image. */
export interface Version {
  readonly buildArgs: string;
}

export interface Application {
  /** The directory with the Dockerfile. */
  readonly directory: string;
  readonly repository: string;
  readonly healthPath: string;
  readonly loadPath: string;
  /** Empty: what the image exposes. */
  readonly port: string;
  /** Checks that every good version passes. */
  readonly checks: string;
  /** Checks that version 3 does not pass, although it is healthy. */
  readonly brokenChecks: string;
  version(name: string): Version & Application;
}

/** The sample application, or the user's own. */
export function application(settings: Settings, world: World): Application {
  return settings.app === undefined ? sample(settings, world) : own(settings, settings.app, world);
}

function sample(settings: Settings, world: World): Application {
  const checks = 'GET /health 200\nGET /api/items 200 json:$.items.length>0 <2s';
  return {
    directory: resolve(import.meta.dirname, '../../test/fixtures/sample-app'),
    repository: `cd-demo/sample-${world.port}`,
    healthPath: '/health',
    loadPath: '/',
    port: '3000',
    checks,
    brokenChecks: checks,
    version(name) {
      // Version 3 passes its health check, but its interface does not work.
      const faults = name === 'v3' ? '\nFAULTS=fail-items' : '';
      return { ...this, buildArgs: `BASE=${settings.images.node ?? 'node:24-slim'}\nVERSION=${name}${faults}` };
    },
  };
}

/** The same Dockerfile three times; version 3 is made to fail by a check that nothing answers. */
function own(settings: Settings, directory: string, world: World): Application {
  const healthPath = settings.health ?? '/';
  return {
    directory: resolve(directory),
    repository: `cd-demo/${basename(resolve(directory))
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')}-${world.port}`,
    healthPath,
    loadPath: healthPath,
    port: settings.port ?? '',
    checks: `GET ${healthPath} 200-399`,
    brokenChecks: 'GET /cd-actions-demo/no-such-page 299',
    version(name) {
      return { ...this, buildArgs: `VERSION=${name}` };
    },
  };
}
