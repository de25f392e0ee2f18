import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, aptProxyOptions, debianMirror } from './apt.mjs';
import { runtime } from './dependencies.mjs';
import { engine, imageOf, throwOnFailure } from './docker.mjs';
import { ROOT, run, which } from './exec.mjs';

const SAMPLE_APP = join(ROOT, 'test/fixtures/sample-app');

/** The images the tests and the demo stand on: pulled where there is a registry, else built from Debian's packages. */
export const IMAGES = {
  nginx: {
    tag: 'cd-actions-test/nginx:current',
    pull: pinnedNginx,
    suite: 'forky',
    packages: ['nginx', 'libnginx-mod-http-js', 'curl'],
    hooks: () => [],
    config: ['EXPOSE 80', 'STOPSIGNAL SIGQUIT', 'CMD ["nginx","-g","daemon off;"]'],
  },
  node: {
    tag: 'cd-actions-test/node:24',
    pull: () => 'node:24-slim',
    suite: 'trixie',
    packages: ['ca-certificates', 'libstdc++6'],
    hooks: () => [
      `copy-in ${runtime()} /usr/local/bin`,
      'echo "node:x:1000:1000::/home/node:/bin/sh" >>"$1/etc/passwd"; echo "node:x:1000:" >>"$1/etc/group"',
    ],
    config: ['CMD ["node"]'],
  },
  redis: {
    tag: 'cd-actions-test/redis:8',
    pull: () => 'redis:8.0',
    suite: 'forky',
    packages: ['redis-server'],
    hooks: () => [],
    config: ['EXPOSE 6379', 'VOLUME /data', 'WORKDIR /data', 'CMD ["redis-server","--protected-mode","no"]'],
  },
};

export const APP_TAG = 'cd-actions-test/app:current';

/** The Nginx that the actions use by default. */
function pinnedNginx() {
  const source = readFileSync(join(ROOT, 'packages/shared/src/action/deployment-inputs.ts'), 'utf8');
  const found = source.match(/NGINX_IMAGE = '([^']+)'/);
  if (!found) throw new Error('packages/shared/src/action/deployment-inputs.ts names no NGINX_IMAGE');
  return found[1];
}

/** Makes an image that is not there yet. */
export async function findImage(name, socket, log) {
  const image = IMAGES[name];
  if (await imageOf(socket, image.tag)) return { value: image.tag };
  if (await pulled(socket, image.pull(), image.tag, log)) return { value: image.tag };
  const mirror = debianMirror();
  if (!mirror)
    return { skipped: `${image.pull()} cannot be pulled, and building ${image.tag} here takes a Debian machine` };
  const missing = which('mmdebstrap') ? null : await aptInstall(['mmdebstrap']);
  if (missing) return { skipped: `${image.pull()} cannot be pulled, and mmdebstrap cannot be installed: ${missing}` };
  log(`${name}-image: no registry to pull from, building ${image.tag} from Debian packages`);
  const failed = await bootstrapped(socket, image, mirror);
  return failed ? { skipped: `building ${image.tag} failed: ${failed}` } : { value: image.tag };
}

let reachable = null;

/** Whether images can be pulled at all: asked once, and answered within seconds. */
function registryReachable(socket) {
  reachable ??= (async () => {
    const info = JSON.parse((await engine(socket, 'GET', '/info')).text);
    if (info.RegistryConfig?.Mirrors?.length || info.HttpsProxy) return true;
    return fetch('https://registry-1.docker.io/v2/', { signal: AbortSignal.timeout(4000) }).then(
      () => true,
      () => false,
    );
  })();
  return reachable;
}

async function pulled(socket, from, to, log) {
  if (!(await imageOf(socket, from))) {
    if (!(await registryReachable(socket))) return false;
    log(`pulling ${from}`);
    try {
      const path = `/images/create?fromImage=${encodeURIComponent(from)}`;
      throwOnFailure(await engine(socket, 'POST', path, { seconds: 300 }), `pulling ${from}`);
    } catch (error) {
      log(error.message);
      return false;
    }
  }
  await tag(socket, from, to);
  return true;
}

async function tag(socket, from, to) {
  const [repo, version] = to.split(':');
  const path = `/images/${encodeURIComponent(from)}/tag?repo=${encodeURIComponent(repo)}&tag=${version}`;
  throwOnFailure(await engine(socket, 'POST', path), `tagging ${to}`);
}

/** A minimal Debian with some packages, straight into the engine. Returns null, or why it failed. */
async function bootstrapped(socket, image, mirror) {
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-image-'));
  try {
    const tar = join(directory, 'image.tar');
    const lean = ['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
    const options = ['Acquire::Check-Valid-Until "false"', 'Acquire::http::Timeout "8"', ...(await aptProxyOptions())];
    const args = [
      '--variant=essential',
      ...lean,
      `--include=${image.packages.join(',')}`,
      ...options.map((option) => `--aptopt=${option}`),
      ...image.hooks().map((hook) => `--customize-hook=${hook}`),
      image.suite,
      tar,
      mirror,
    ];
    const { code, output } = await run('mmdebstrap', args, {
      seconds: 240,
      env: { ...process.env, TMPDIR: directory },
    });
    if (code !== 0) return output.split('\n').find((line) => /^(E:|Err:)/.test(line)) ?? output.trim().slice(-300);
    const [repo, version] = image.tag.split(':');
    const path = `/images/create?fromSrc=-&repo=${encodeURIComponent(repo)}&tag=${version}-files`;
    throwOnFailure(await engine(socket, 'POST', path, { body: tar, seconds: 120 }), 'docker import');
    // An import cannot set all that an image configures, such as the signal to stop it.
    writeFileSync(join(directory, 'Dockerfile'), [`FROM ${image.tag}-files`, ...image.config, ''].join('\n'));
    await built(socket, directory, ['Dockerfile'], image.tag, {});
    await engine(socket, 'DELETE', `/images/${encodeURIComponent(`${image.tag}-files`)}?noprune=true`);
    return null;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The sample application as an image, built again when its sources change. */
export async function findApp(socket, base) {
  const source = sourcesHash(SAMPLE_APP);
  const existing = await imageOf(socket, APP_TAG);
  if (existing?.labels['cd-actions-test.source'] === source) return { value: APP_TAG };
  await built(socket, SAMPLE_APP, ['.'], APP_TAG, {
    labels: { 'cd-actions-test.source': source },
    buildargs: { BASE: base },
  });
  return { value: APP_TAG };
}

/** Builds an image with the engine's own builder, from some entries of a directory. Throws the engine's words. */
async function built(socket, context, entries, tag, options) {
  const directory = mkdtempSync(join(tmpdir(), 'cd-actions-context-'));
  try {
    const tar = join(directory, 'context.tar');
    const { code, output } = await run('tar', ['-C', context, '-cf', tar, ...entries]);
    if (code !== 0) throw new Error(output.trim());
    const query = new URLSearchParams({ t: tag, rm: 'true', forcerm: 'true' });
    for (const [name, value] of Object.entries(options)) query.set(name, JSON.stringify(value));
    throwOnFailure(await engine(socket, 'POST', `/build?${query}`, { body: tar, seconds: 120 }), `building ${tag}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function sourcesHash(directory) {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory).sort()) {
    const file = join(directory, name);
    if (statSync(file).isFile()) hash.update(name).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}
