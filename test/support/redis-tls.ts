import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate authority of a test's own, with a certificate for 127.0.0.1 and localhost. Files in `directory`. */
export function makeCertificates(): { directory: string; ca: string; cert: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), 'cd-tls-'));
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=cd-actions test CA');
  const signed = [
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:localhost',
  ];
  openssl(
    'req',
    '-x509',
    ...key,
    ...signed,
    '-keyout',
    file('key.pem'),
    '-out',
    file('cert.pem'),
    '-subj',
    '/CN=redis',
  );
  return { directory, ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') };
}
