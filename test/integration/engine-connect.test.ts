import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as dial, createServer as listen, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as listenTls } from 'node:tls';
import { UnavailableError } from '@cd-actions/shared/domain/errors';
import { connect } from '@cd-actions/shared/engine/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parts } from '../support/parts.ts';
import { hasSshd, type Sshd, startSshd } from '../support/sshd.ts';

const socketPath = parts.docker?.socket ?? '';

describe.skipIf(!parts.docker)('reaching an engine', () => {
  let directory = '';
  const servers: Server[] = [];
  const sockets = new Set<Socket>();

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cd-connect-'));
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function port(server: Server): Promise<number> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as { port: number }).port;
  }

  const forward = (client: Socket): void => {
    const engine = dial(socketPath);
    for (const socket of [client, engine]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.pipe(engine).pipe(client);
  };

  it('takes the socket, a plain address, DOCKER_HOST and a Docker context', async () => {
    const plain = await port(listen(forward));
    const config = join(directory, 'config');
    const id = createHash('sha256').update('work').digest('hex');
    mkdirSync(join(config, 'contexts/meta', id), { recursive: true });
    const meta = { Name: 'work', Endpoints: { docker: { Host: `tcp://127.0.0.1:${plain}` } } };
    writeFileSync(join(config, 'contexts/meta', id, 'meta.json'), JSON.stringify(meta));
    writeFileSync(join(config, 'config.json'), JSON.stringify({ currentContext: 'work' }));
    const ways: readonly (readonly [string | null, Record<string, string>])[] = [
      [`unix://${socketPath}`, {}],
      [`tcp://127.0.0.1:${plain}`, {}],
      [null, { DOCKER_HOST: `tcp://127.0.0.1:${plain}` }],
      [null, { DOCKER_CONFIG: config }],
    ];
    for (const [host, env] of ways) {
      const connection = await connect(host, { env: { DOCKER_CONFIG: directory, ...env } });
      expect((await connection.docker.version()).Os).toBe('linux');
      connection.close();
    }
  });

  it('gives up in time when nothing answers, and says what to look at', async () => {
    const silent = await port(listen((socket) => void sockets.add(socket)));
    const attempt = connect(`tcp://127.0.0.1:${silent}`, { env: {}, timeout: 200 });
    await expect(attempt).rejects.toThrow(/does not answer: no answer within 0.2 s/);
    await expect(connect('unix:///nowhere/docker.sock', { env: {} })).rejects.toThrow(/Start the engine/);
  });

  it('proves itself with the certificate of DOCKER_CERT_PATH and checks the server', async () => {
    const certs = join(directory, 'certs');
    makeCertificates(certs);
    const read = (name: string) => readFileSync(join(certs, name));
    const server = listenTls(
      {
        key: read('key.pem'),
        cert: read('cert.pem'),
        ca: read('ca.pem'),
        requestCert: true,
        rejectUnauthorized: true,
      },
      forward,
    );
    const tls = await port(server);
    const connection = await connect(`tcp://127.0.0.1:${tls}`, { env: { DOCKER_CERT_PATH: certs } });
    expect((await connection.docker.version()).Os).toBe('linux');
    connection.close();
    const stranger = join(directory, 'stranger');
    makeCertificates(stranger);
    const attempt = connect(`tcp://127.0.0.1:${tls}`, { env: { DOCKER_CERT_PATH: stranger } });
    await expect(attempt).rejects.toBeInstanceOf(UnavailableError);
  });

  describe.skipIf(!hasSshd)('over SSH', () => {
    let sshd: Sshd;

    beforeAll(async () => {
      sshd = await startSshd({});
    });
    afterAll(() => sshd?.stop());

    it('works through the ssh client, with requests side by side', async () => {
      const connection = await connect(sshd.url, { env: {}, ssh: sshd.client });
      const answers = await Promise.all([
        connection.docker.version(),
        connection.docker.info(),
        connection.docker.ping(),
      ]);
      expect(answers[0].Os).toBe('linux');
      // A large answer and a stream come whole through the pipes.
      const images = await connection.docker.listImages();
      expect(images.length).toBeGreaterThan(0);
      connection.close();
    });

    it('says what ssh said when it is refused', async () => {
      const attempt = connect(sshd.url, { env: {}, ssh: [...sshd.client, '-o', 'PubkeyAuthentication=no'] });
      await expect(attempt).rejects.toThrow(/Permission denied.*authorized_keys/s);
      const unknown = connect(sshd.url, { env: {}, ssh: [...sshd.client, '-o', 'UserKnownHostsFile=/dev/null'] });
      await expect(unknown).rejects.toThrow(/Host key verification failed.*known_hosts/s);
    });
  });
});

function makeCertificates(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const openssl = (...options: readonly string[]) =>
    execFileSync('openssl', options, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test ca');
  openssl('req', ...key, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=docker');
  writeFileSync(join(directory, 'extensions'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  const sign = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-days', '2', '-extfile', 'extensions'];
  openssl('x509', '-req', '-in', 'request.pem', '-out', 'cert.pem', ...sign);
}
