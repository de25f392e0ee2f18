import { createReadStream, existsSync } from 'node:fs';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aptInstall, aptKnows } from './apt.mjs';
import { CACHE, lastLine, run, startDaemon, which } from './exec.mjs';

const DEFAULT_SOCKET = '/var/run/docker.sock';

/** Where engines listen by default: Linux, Docker Desktop, Colima, rootless. */
function sockets() {
  const given = process.env.DOCKER_HOST?.match(/^unix:\/\/(.+)$/)?.[1];
  return [
    ...(given ? [given] : []),
    DEFAULT_SOCKET,
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.colima/default/docker.sock'),
    ...(process.env.XDG_RUNTIME_DIR ? [join(process.env.XDG_RUNTIME_DIR, 'docker.sock')] : []),
  ];
}

/**
 * One call of the Docker Engine API over its socket; the set-up needs no Docker CLI. `body` is a file to send.
 * Rejects when the engine cannot be reached or does not answer within `seconds`.
 */
export function engine(socket, method, path, { body, seconds = 10 } = {}) {
  return new Promise((done, fail) => {
    const headers = body ? { 'Content-Type': 'application/x-tar' } : {};
    const call = request({ socketPath: socket, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (data) => {
        text += data;
      });
      response.on('end', () => {
        clearTimeout(timer);
        done({ status: response.statusCode ?? 0, text });
      });
      response.on('error', fail);
    });
    const timer = setTimeout(
      () => call.destroy(new Error(`the Docker engine took longer than ${seconds} s`)),
      seconds * 1000,
    );
    call.on('error', (error) => {
      clearTimeout(timer);
      fail(error);
    });
    if (body) createReadStream(body).on('error', fail).pipe(call);
    else call.end();
  });
}

async function runningEngine() {
  for (const socket of sockets()) {
    if (!existsSync(socket)) continue;
    const alive = await engine(socket, 'GET', '/_ping', { seconds: 5 }).catch(() => null);
    if (alive?.status === 200) return socket;
  }
  return null;
}

/** A running Docker engine: one that is there, else one installed and started where that may be done. */
export async function findDocker(log) {
  const running = await runningEngine();
  if (running) return { value: { socket: running } };
  if (process.platform !== 'linux') return { skipped: 'no Docker engine is running: start Docker Desktop or Colima' };
  if (process.getuid?.() !== 0)
    return { skipped: `no Docker engine answers on ${DEFAULT_SOCKET}, and starting one takes root` };
  if (!which('dockerd')) {
    log('docker: installing');
    const failed = await aptInstall([
      'docker.io',
      'iptables',
      ...((await aptKnows('docker-cli')) ? ['docker-cli'] : []),
    ]);
    if (failed) return { skipped: `no Docker engine, and installing one failed: ${failed}` };
  }
  log('docker: starting dockerd');
  return startEngine();
}

async function startEngine() {
  if (existsSync('/run/systemd/system')) {
    await run('systemctl', ['start', 'docker'], { seconds: 60 });
    if (await runningEngine()) return { value: { socket: DEFAULT_SOCKET } };
  }
  const file = join(CACHE, 'dockerd.log');
  const daemon = startDaemon(which('dockerd') ?? 'dockerd', [], file);
  for (let waited = 0; waited < 30_000 && !daemon.exited; waited += 200) {
    const socket = await runningEngine();
    if (socket) return { value: { socket } };
    await sleep(200);
  }
  const { output } = await run('tail', ['-n', '1', file], { seconds: 5 });
  return { skipped: `dockerd did not start: ${lastLine(output)} (all of it in .cache/dockerd.log)` };
}

/** The id of an image and the labels it carries; null when there is none of that name. */
export async function imageOf(socket, tag) {
  const { status, text } = await engine(socket, 'GET', `/images/${encodeURIComponent(tag)}/json`);
  if (status !== 200) return null;
  const image = JSON.parse(text);
  return { id: image.Id, labels: image.Config?.Labels ?? {} };
}

/** Throws with the engine's own words when a streamed operation failed, though its status was 200. */
export function throwOnFailure({ status, text }, what) {
  const error = text.split('\n').find((line) => line.includes('"error"'));
  if (status >= 300 || error) throw new Error(`${what}: ${lastLine(error ?? text).slice(0, 300)}`);
}
