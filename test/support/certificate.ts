import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NginxWorld } from './nginx-world.ts';

/** A self-signed certificate where Nginx can read it. */
export async function certificate(world: NginxWorld, name: string): Promise<{ certificate: string; key: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'cd-test-tls-'));
  try {
    const [crt, key] = [join(directory, 'crt'), join(directory, 'key')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const given = ['req', '-x509', ...curve, '-keyout', key, '-out', crt, '-days', '2', '-subj', `/CN=${name}`];
    execFileSync('openssl', given, { stdio: 'pipe' });
    const at = { certificate: `${world.root}/${name}.crt`, key: `${world.root}/${name}.key` };
    const put = (path: string, text: string): string => `cat > ${path} <<'END'\n${text}END\n`;
    await world.sh(put(at.certificate, readFileSync(crt, 'utf8')) + put(at.key, readFileSync(key, 'utf8')));
    return at;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One request over HTTP/2 with TLS, whatever the certificate. */
export function getHttp2(port: number, name: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: name });
    session.on('error', reject);
    const request = session.request({ ':path': path, ':authority': name });
    let status = 0;
    let body = '';
    request.on('response', (headers) => {
      status = Number(headers[':status']);
    });
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('error', reject).on('end', () => {
      session.close();
      resolve({ status, body });
    });
    request.end();
  });
}
