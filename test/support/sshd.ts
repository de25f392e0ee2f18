import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from './redis.ts';

const SSHD = '/usr/sbin/sshd';

export const hasSshd = existsSync(SSHD);

/** An SSH server on a loopback port, with keys of its own. */
export interface Sshd {
  /** `ssh://user@127.0.0.1:port` */
  readonly url: string;
  /** The client and its leading arguments: they know the server's key and hold the user's. */
  readonly client: readonly string[];
  stop(): void;
}

/** Whoever logs in finds `environment` set, such as DOCKER_HOST. */
export async function startSshd(environment: Readonly<Record<string, string>>): Promise<Sshd> {
  const directory = mkdtempSync(join(tmpdir(), 'cd-sshd-'));
  const file = (name: string): string => join(directory, name);
  const port = await freePort();
  for (const name of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)]);
  writeFileSync(file('known_hosts'), `[127.0.0.1]:${port} ${readFileSync(file('host.pub'), 'utf8')}`);
  writeFileSync(file('authorized_keys'), readFileSync(file('user.pub')), { mode: 0o600 });
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true });
  const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const server = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${file('host')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    ...(set.length > 0 ? [`SetEnv ${set.join(' ')}`] : []),
  ];
  writeFileSync(file('sshd_config'), `${server.join('\n')}\n`);
  const client = [`IdentityFile ${file('user')}`, 'IdentitiesOnly yes', `UserKnownHostsFile ${file('known_hosts')}`];
  writeFileSync(file('ssh_config'), `Host *\n  ${client.join('\n  ')}\n`);
  const sshd = spawn(SSHD, ['-D', '-e', '-f', file('sshd_config')], { stdio: 'ignore' });
  await listening(port, sshd);
  return {
    url: `ssh://${userInfo().username}@127.0.0.1:${port}`,
    client: ['ssh', '-F', file('ssh_config')],
    stop: () => {
      sshd.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function listening(port: number, sshd: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200 && sshd.exitCode === null; attempt += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await wait(50);
  }
  throw new Error('sshd did not start');
}
