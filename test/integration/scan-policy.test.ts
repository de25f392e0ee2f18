import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { describeWhere } from '@cd-actions/shared/gates/scan/finding';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tar } from '../fixtures/scan/archive.ts';
import { TestImages } from '../fixtures/scan/images.ts';
import { scan } from '../fixtures/scan/run.ts';
import { parts } from '../support/parts.ts';

const KEY = `-----BEGIN OPENSSH ${'PRIVATE'} KEY-----\n${'b3BlbnNzaC1rZXktdjEA'.repeat(6)}\n`;
const TOKEN = `gh${'p_'}${'aB3dE5gH7jK9mN1pQ2sT4vW6xY8zaB3dE5gH'}`;

describe.skipIf(!parts.docker || !parts.images)('the policy scanner on images of the real engine', () => {
  let images: TestImages;
  let server: Server;

  beforeAll(async () => {
    images = await TestImages.on(parts.docker?.socket ?? '');
    server = createServer((_, response) => response.end('fetched'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server?.close();
    await images?.close();
  });

  it('finds every fault that was planted, also in layers that a later one deletes, and shows no secret', async () => {
    const { port } = server.address() as AddressInfo;
    const dockerfile = `FROM ${parts.images?.node}
ARG API_TOKEN
ENV DB_PASSWORD=Tr0ub4dor3-horse NODE_OPTIONS=--inspect=0.0.0.0:9229
LABEL org.opencontainers.image.base.name=docker.io/library/node:latest
COPY id_rsa /root/.ssh/id_rsa
COPY config.json /app/config.json
RUN rm -r /root/.ssh /app/config.json && : "$API_TOKEN"
RUN cp /bin/cat /usr/local/bin/show && chmod 4755 /usr/local/bin/show && mkdir -m 777 /srv/open && touch /srv/list && chmod 666 /srv/list
ADD http://127.0.0.1:${port}/tool /srv/tool
HEALTHCHECK NONE
EXPOSE 22
USER root
CMD node server.js`;
    const files = [
      { path: 'id_rsa', content: KEY },
      { path: 'config.json', content: JSON.stringify({ token: TOKEN }) },
    ];
    const image = await images.build(dockerfile, files, { API_TOKEN: TOKEN });
    const { scan: result, written } = await scan(images, image);
    const found = result.decision.findings.map(({ id, where }) => `${id} ${describeWhere(where)}`);
    expect(found).toEqual(
      expect.arrayContaining([
        'CD001 image User',
        'CD011 image Env.DB_PASSWORD',
        expect.stringMatching(/^CD010 image history \d+$/),
        expect.stringMatching(
          /^CD013 \/root\/\.ssh\/id_rsa:1 \(layer 2, gone from view in layer 4 but still in the image\)$/,
        ),
        expect.stringMatching(/^CD012 \/app\/config\.json:1 \(layer 3, gone from view in layer 4 /),
        'CD020 /usr/local/bin/show (layer 5)',
        'CD023 /srv/list (layer 5)',
        'CD024 /srv/open (layer 5)',
        'CD040 image Healthcheck',
        'CD041 image ExposedPorts.22/tcp',
        'CD042 image Env.NODE_OPTIONS',
        'CD043 image Cmd',
        'CD050 image Labels.org.opencontainers.image.base.name',
        expect.stringMatching(/^CD052 image history \d+$/),
      ]),
    );
    expect(result.decision.verdict).toBe('fail');
    const report = JSON.parse(written['security-scan.json'] ?? '');
    expect(report).toMatchObject({ verdict: 'fail', image: { reference: image } });
    for (const text of Object.values(written)) {
      for (const secret of [TOKEN, 'Tr0ub4dor3-horse', 'b3BlbnNzaC1rZXktdjEA']) expect(text).not.toContain(secret);
    }
  });

  it('passes a clean image with nothing to say about it', async () => {
    const image = await images.build(
      `FROM scratch
COPY --chown=10001:10001 server /server
LABEL org.opencontainers.image.base.name=scratch org.opencontainers.image.revision=abc org.opencontainers.image.source=https://example.org/shop
HEALTHCHECK CMD ["/server", "--health"]
USER 10001:10001
CMD ["/server"]`,
      [{ path: 'server', mode: 0o755, content: 'ELF\0' }],
    );
    const { scan: result, message } = await scan(images, image, { scanners: 'policy' });
    expect(result.decision).toMatchObject({ verdict: 'pass', findings: [] });
    expect(message).toBe('Nothing found, none high or worse.');
  });

  it('passes the sample application as it is delivered', async () => {
    const { scan: result } = await scan(images, parts.images?.app ?? '', { severity: 'medium' });
    expect(result.decision).toMatchObject({ verdict: 'pass', findings: [] });
  });

  it('is inconclusive about an image that is not there, and still writes report and SARIF', async () => {
    const { scan: result, message, written } = await scan(images, 'cd-actions-test/none-such:1');
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('Docker has no image cd-actions-test/none-such:1');
    expect(Object.keys(written).sort()).toEqual(['security-scan.json', 'security-scan.sarif']);
  });

  it('streams: an image of 300 MB takes at most 128 MB more memory than one of 1 MB', async () => {
    const measure = async (megabytes: number) => {
      const image = await images.import(Readable.from(filler(megabytes)));
      const script = join(import.meta.dirname, '../fixtures/scan/measure.ts');
      const host = `unix://${parts.docker?.socket}`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', script, host, image]);
      return JSON.parse(stdout) as { ids: string[]; facts: { files: string }; milliseconds: number; peak: number };
    };
    const [small, big] = [await measure(1), await measure(300)];
    expect(big.facts.files).toBe('301');
    expect(big.ids).toContain('CD012');
    expect((big.peak - small.peak) / 1_048_576).toBeLessThan(128);
    console.log(
      `300 MB: ${big.milliseconds} ms, ${Math.round(big.peak / 1e6)} MB at the peak (1 MB: ${Math.round(small.peak / 1e6)} MB)`,
    );
  });
});

/** A tar archive of files of a megabyte, every tenth of text, and one file with a token at the end. */
function* filler(megabytes: number): Generator<Buffer> {
  const text = Buffer.alloc(1_048_576, 'const answer = compute(question); // forty two\n');
  const binary = Buffer.alloc(1_048_576, 'ELF\0\u0001\u0002');
  for (let i = 0; i < megabytes; i++) {
    const archive = tar([{ path: `app/file-${i}`, content: i % 10 === 0 ? text : binary }]);
    yield archive.subarray(0, archive.length - 1024);
  }
  yield tar([{ path: 'app/last', content: TOKEN }]);
}
