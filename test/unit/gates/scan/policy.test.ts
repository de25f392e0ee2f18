import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readImageArchive } from '@cd-actions/shared/gates/scan/archive/image-archive';
import { bySeverity, describeWhere, type Finding } from '@cd-actions/shared/gates/scan/finding';
import { RULES, rulesTable } from '@cd-actions/shared/gates/scan/policy/rules';
import { scanContents } from '@cd-actions/shared/gates/scan/policy/scan';
import { describe, expect, it } from 'vitest';
import { dockerArchive, type File, type ImageSpec, pieces } from '../../../fixtures/scan/archive.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const SECRET = 'Tr0ub4dor3-horse';
const KEY = `-----BEGIN OPENSSH ${'PRIVATE'} KEY-----\n${'b3BlbnNzaC1rZXktdjEA'.repeat(6)}\n`;

/** An image without a fault, on which the tests plant theirs. */
const CLEAN: Omit<ImageSpec, 'layers'> = {
  created: '2026-05-01T00:00:00Z',
  config: {
    User: '10001:10001',
    Env: ['PATH=/usr/bin', 'NODE_ENV=production'],
    Cmd: ['/app/server'],
    Healthcheck: { Test: ['CMD', '/app/server', '--health'] },
    ExposedPorts: { '8080/tcp': {} },
    Labels: {
      'org.opencontainers.image.base.name': `docker.io/library/debian:13@sha256:${'a'.repeat(64)}`,
      'org.opencontainers.image.revision': 'abc',
      'org.opencontainers.image.source': 'https://example.org/shop',
    },
  },
  history: ['COPY server /app/server # buildkit', 'USER 10001:10001'],
};
const APP: readonly File[] = [
  { path: 'app/', mode: 0o755 },
  { path: 'app/server', mode: 0o755, content: 'ELF\0' },
];

async function scan(image: Partial<ImageSpec>): Promise<readonly Finding[]> {
  const archive = dockerArchive({ ...CLEAN, layers: [APP], ...image });
  const options = { now: NOW, signal: new AbortController().signal };
  const { findings } = await scanContents(readImageArchive(pieces(archive, 4096)), options);
  expect(JSON.stringify(findings)).not.toContain(SECRET);
  expect(JSON.stringify(findings)).not.toContain('b3BlbnNzaC1rZXktdjEA');
  return [...findings].sort(bySeverity);
}

const short = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ id, detail, where }) => `${id} ${describeWhere(where)}${detail && ` - ${detail}`}`);
const configured = (config: object): Promise<readonly Finding[]> => scan({ config: { ...CLEAN.config, ...config } });

it('finds nothing in an image without a fault', async () => {
  expect(await scan({})).toEqual([]);
});

describe('the configuration', () => {
  it.each<[object, readonly string[]]>([
    [{ User: '' }, ['CD001 image User - no user is set']],
    [{ User: '0:0' }, ['CD001 image User - the user is 0']],
    [{ User: 'root:app' }, ['CD001 image User - the user is root']],
    [{ User: 'app' }, ['CD002 image User - the user is app']],
    [{ Env: [`DB_PASSWORD=${SECRET}`] }, ['CD011 image Env.DB_PASSWORD - DB_PASSWORD=*** (16 characters)']],
    [{ Env: [`DB=postgres://shop:${SECRET}@db/`] }, ['CD010 image Env.DB - password in a URL … (16 characters)']],
    [{ Cmd: ['/app', `--api-token=${SECRET}`] }, ['CD011 image Cmd - api-token=*** (16 characters)']],
    [{ Healthcheck: { Test: ['NONE'] } }, ['CD040 image Healthcheck - it is switched off']],
    [
      { ExposedPorts: { '22/tcp': {}, '9229/tcp': {} } },
      ['CD041 image ExposedPorts.22/tcp - SSH', 'CD041 image ExposedPorts.9229/tcp - Node.js inspector'],
    ],
    [{ Env: ['NODE_OPTIONS=--inspect=0.0.0.0:9229'] }, ['CD042 image Env.NODE_OPTIONS - the Node.js inspector']],
    [
      { Env: ['JAVA_TOOL_OPTIONS=-agentlib:jdwp=transport=dt_socket'] },
      ['CD042 image Env.JAVA_TOOL_OPTIONS - the Java debugger'],
    ],
    [{ Cmd: ['/bin/sh', '-c', 'node server.js'] }, ['CD043 image Cmd - /bin/sh -c']],
    [{ Cmd: ['/bin/sh', '-c', 'exec /app/server'] }, []],
    [{ Cmd: ['node', 'server.js'] }, ['CD044 image Cmd - process 1 is node']],
    [{ Entrypoint: ['/usr/bin/tini', '--'], Cmd: ['node', 'server.js'] }, []],
    [
      { Labels: {} },
      [
        'CD060 image Labels - missing: org.opencontainers.image.base.name, org.opencontainers.image.revision, org.opencontainers.image.source',
      ],
    ],
  ])('%j', async (config, expected) => expect(short(await configured(config))).toEqual(expected));

  it.each([
    ['docker.io/library/debian:latest', 'CD050'],
    ['docker.io/library/debian', 'CD050'],
    ['docker.io/library/debian:13', 'CD051'],
  ])('a base %s is not pinned: %s', async (name, id) => {
    const labels = { ...(CLEAN.config as { Labels: object }).Labels, 'org.opencontainers.image.base.name': name };
    expect((await configured({ Labels: labels })).map((finding) => finding.id)).toEqual([id]);
  });

  it('is old after half a year; the fixed date of a reproducible build is no date', async () => {
    expect(short(await scan({ created: '2025-11-01T00:00:00Z' }))).toEqual([
      'CD061 image Created - built 212 days ago',
    ]);
    expect(await scan({ created: '1970-01-01T00:00:00Z' })).toEqual([]);
  });
});

describe('the history', () => {
  it.each<[string, readonly string[]]>([
    ['ADD https://example.org/x.tgz?sig=1 /x # buildkit', ['CD052 image history 1 - https://example.org']],
    [`/bin/sh -c #(nop) ADD ${'8e'.repeat(32)} in /y `, ['CD052 image history 1 - a remote file']],
    [`/bin/sh -c #(nop) ADD file:${'8e'.repeat(32)} in /y `, []],
    ['ADD --checksum=sha256:12 https://example.org/x /x # buildkit', []],
    [
      'RUN /bin/sh -c curl -fsSL https://get.example.org/i | sudo -E bash - # buildkit',
      ['CD053 image history 1 - from https://get.example.org'],
    ],
    [
      'RUN /bin/sh -c bash <(curl -s https://get.example.org) # buildkit',
      ['CD053 image history 1 - from https://get.example.org'],
    ],
    ['RUN /bin/sh -c curl -fsSL https://example.org/i -o i && sha256sum -c i.sum && sh i # buildkit', []],
    ['RUN /bin/sh -c curl -fkL https://example.org -o x # buildkit', ['CD054 image history 1 - curl --insecure']],
    ['/bin/sh -c apt-get update', ['CD055 image history 1 - no install in the same step']],
    ['/bin/sh -c apt-get update && apt-get install -y curl', []],
    [`|1 API_TOKEN=${SECRET} /bin/sh -c make`, ['CD011 image history 1 - API_TOKEN=*** (16 characters)']],
    [`ENV OLD_PASSWORD=${SECRET}`, ['CD011 image history 1 - OLD_PASSWORD=*** (16 characters)']],
    ['ARG API_TOKEN', []],
  ])('%s', async (step, expected) => expect(short(await scan({ history: [step] }))).toEqual(expected));

  it('does not say again what the environment says', async () => {
    const found = await scan({
      config: { ...CLEAN.config, Env: [`DB_PASSWORD=${SECRET}`] },
      history: [`/bin/sh -c #(nop)  ENV DB_PASSWORD=${SECRET}`],
    });
    expect(short(found)).toEqual(['CD011 image Env.DB_PASSWORD - DB_PASSWORD=*** (16 characters)']);
  });
});

describe('the files', () => {
  it.each<[File, readonly string[]]>([
    [{ path: 'root/.ssh/id_rsa', content: KEY }, ['CD013 /root/.ssh/id_rsa:1 (layer 2) - private key']],
    [
      { path: 'app/node_modules/x/test/key.pem', content: KEY },
      ['CD016 /app/node_modules/x/test/key.pem:1 (layer 2) - private key'],
    ],
    [
      { path: 'root/.npmrc', content: `a=b\n//r/:_authToken=${SECRET}` },
      ['CD012 /root/.npmrc:2 (layer 2) - npm credentials *** (16 characters)'],
    ],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference as it stands in a file
    [{ path: 'root/.npmrc', content: '//r/:_authToken=${NPM_TOKEN}' }, []],
    [
      { path: 'root/.docker/config.json', content: `{"auths":{"r":{"auth":"${SECRET}"}}}` },
      ['CD012 /root/.docker/config.json:1 (layer 2) - registry credentials *** (16 characters)'],
    ],
    [
      { path: 'root/.git-credentials', content: `https://me:${SECRET}@example.org` },
      ['CD012 /root/.git-credentials:1 (layer 2) - Git credentials *** (16 characters)'],
    ],
    [
      { path: 'app/.env', content: `A=b\nDB_PASSWORD="${SECRET}"` },
      ['CD014 /app/.env:2 (layer 2) - DB_PASSWORD=*** (16 characters)'],
    ],
    [{ path: 'app/.env.example', content: `DB_PASSWORD="${SECRET}"` }, []],
    [{ path: 'app/key.p12', content: 'x\0' }, ['CD015 /app/key.p12 (layer 2) - 2 bytes']],
    [{ path: 'usr/bin/su', mode: 0o4755 }, ['CD022 /usr/bin/su (layer 2) - mode 4755, owner 0']],
    [{ path: 'app/su', mode: 0o4755 }, ['CD020 /app/su (layer 2) - mode 4755, owner 0']],
    [{ path: 'app/tool', mode: 0o2755 }, ['CD021 /app/tool (layer 2) - mode 2755, owner 0']],
    [{ path: 'app/data', mode: 0o666 }, ['CD023 /app/data (layer 2) - mode 666']],
    [{ path: 'app/upload/', mode: 0o777 }, ['CD024 /app/upload (layer 2) - mode 777']],
    [{ path: 'tmp/', mode: 0o1777 }, []],
    [{ path: 'usr/sbin/sshd', mode: 0o755 }, ['CD030 /usr/sbin/sshd (layer 2) - an SSH server']],
    [{ path: 'usr/bin/sudo', mode: 0o755 }, ['CD031 /usr/bin/sudo (layer 2) - a way to run programs as root']],
    [
      { path: 'var/lib/apt/lists/x_Packages', content: 'x'.repeat(5000) },
      ['CD032 /var/lib/apt/lists (layer 2) - 1 of them, 5 KiB, such as /var/lib/apt/lists/x_Packages'],
    ],
    [{ path: 'etc/passwd', content: 'root:x:0:0\ntoor:x:0:0' }, ['CD003 /etc/passwd (layer 2) - account toor']],
    [{ path: 'etc/shadow', content: 'root:*:1::::::\napp::1::::::' }, ['CD004 /etc/shadow (layer 2) - account app']],
  ])('$0.path', async (file, expected) => expect(short(await scan({ layers: [APP, [file]] }))).toEqual(expected));

  it('of any layer are searched: a secret that a later layer deletes or hides is found and told to be gone from view', async () => {
    const found = await scan({
      layers: [
        [
          ...APP,
          { path: 'a/id_rsa', content: KEY },
          { path: 'b/c/id_rsa', content: KEY },
          { path: 'd/id_rsa', content: KEY },
        ],
        [{ path: 'a/.wh.id_rsa' }],
        [{ path: '.wh.b' }, { path: 'd/.wh..wh..opq' }],
      ],
    });
    const gone = (layer: number) => `(layer 1, gone from view in layer ${layer} but still in the image) - private key`;
    expect(short(found)).toEqual([
      `CD013 /a/id_rsa:1 ${gone(2)}`,
      `CD013 /b/c/id_rsa:1 ${gone(3)}`,
      `CD013 /d/id_rsa:1 ${gone(3)}`,
    ]);
  });

  it('are judged by their last mode: what a later layer corrects or removes is no fault', async () => {
    const found = await scan({
      layers: [
        [...APP, { path: 'app/su', mode: 0o4755 }, { path: 'app/open', mode: 0o666 }, { path: 'app/up/', mode: 0o777 }],
        [{ path: 'app/su', mode: 0o755 }, { path: 'app/.wh.open' }, { path: 'app/up/', mode: 0o755 }],
      ],
    });
    expect(found).toEqual([]);
  });

  it('that are all open are one finding, not hundreds', async () => {
    const open = Array.from({ length: 300 }, (_, i) => ({ path: `app/d${i % 3}/f${i}`, mode: 0o666, content: 'x' }));
    const found = await scan({ layers: [APP, open] });
    expect(found.map(({ id, where }) => `${id} ${describeWhere(where)}`)).toEqual([
      'CD023 /app/d0 (layer 2)',
      'CD023 /app/d1 (layer 2)',
      'CD023 /app/d2 (layer 2)',
    ]);
  });

  it('tell that a user by another name is root', async () => {
    const found = await scan({
      config: { ...CLEAN.config, User: 'toor' },
      layers: [APP, [{ path: 'etc/passwd', content: 'toor:x:0:0' }]],
    });
    expect(short(found)[0]).toBe('CD001 image User - the user is toor, which has user id 0');
  });

  it('beyond the first mebibyte are said not to have been searched', async () => {
    const archive = dockerArchive({
      ...CLEAN,
      layers: [[{ path: 'app/big.txt', content: 'a line\n'.repeat(200_000) }]],
    });
    const signal = new AbortController().signal;
    const { notChecked } = await scanContents(readImageArchive(pieces(archive, 65_536)), { now: NOW, signal });
    expect(notChecked).toEqual(['what lies beyond the first 1024 KiB of 1 text files']);
  });
});

it('stops when it is told to', async () => {
  const archive = dockerArchive({ ...CLEAN, layers: [APP] });
  const signal = AbortSignal.abort(new Error('cancelled'));
  await expect(scanContents(readImageArchive(pieces(archive)), { now: NOW, signal })).rejects.toThrow('cancelled');
});

describe('the rules', () => {
  it('have ids of their own, in order', () => {
    const ids = RULES.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
  });

  it('stand in the README as they are', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../../../actions/security-scan/README.md'), 'utf8');
    expect(readme).toContain(`<!-- rules -->\n${rulesTable()}\n<!-- /rules -->`);
  });
});
