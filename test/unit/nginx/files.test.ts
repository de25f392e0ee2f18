import type { TrafficPlan } from '@cd-actions/shared/domain/traffic';
import { atLeast, readProbe } from '@cd-actions/shared/nginx/capabilities';
import { unifiedDiff } from '@cd-actions/shared/nginx/diff';
import { quote, writeLines } from '@cd-actions/shared/nginx/host';
import { httpIncludes, topLevel } from '@cd-actions/shared/nginx/main-config';
import { bounds, planDigest, planFile } from '@cd-actions/shared/nginx/plan-file';
import { establishedRemotes, normalAddress, readWorkers } from '@cd-actions/shared/nginx/proc';
import { Frames } from '@cd-actions/shared/nginx/shell-session';
import { describe, expect, it } from 'vitest';

describe('the connections of a network namespace', () => {
  // Lines of a real /proc/net/tcp and tcp6 on x86-64.
  const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:23DC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20551 1 0000000000000000 100 0 0 10 0
   1: 020012AC:C1A6 030012AC:0BB8 01 00000000:00000000 02:000005DC 00000000    33        0 21099 2 0000000000000000 20 4 30 10 -1
   2: 020012AC:C1A8 030012AC:0BB8 06 00000000:00000000 03:00000F0C 00000000     0        0 0 3 0000000000000000
`;
  const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 0000000000000000FFFF0000020012AC:0050 0000000000000000FFFF0000010012AC:D431 01 00000000:00000000
   1: 000000FD000000000000000002000000:C0DE 000000FD000000000000000003000000:0BB8 01 00000000:00000000
`;

  it('are the established ones, by their remote end', () => {
    expect(establishedRemotes(tcp)).toEqual(['172.18.0.3:3000']);
  });

  it('are read from the IPv6 table too, IPv4 in its usual spelling', () => {
    expect(establishedRemotes(tcp6)).toEqual(['172.18.0.1:54321', `${normalAddress('fd00:0::3')}:3000`]);
  });
});

describe('the processes of Nginx', () => {
  it('are workers, and old workers that leave', () => {
    const listing = `31 nginx: worker process
12 nginx: worker process is shutting down
13 nginx: cache manager process
`;
    expect(readWorkers(listing)).toEqual([
      { pid: 31, kind: 'worker' },
      { pid: 12, kind: 'leaving' },
    ]);
  });
});

describe('the plan as the script reads it', () => {
  const plan = (change: Partial<TrafficPlan>): TrafficPlan => ({
    targets: [{ version: 'v1', weight: 100 }],
    rules: [],
    sticky: true,
    mirror: null,
    maintenance: null,
    ...change,
  });
  const serve = (change: Partial<TrafficPlan>): string => planFile('a@b', 1, plan(change)).serve;

  it('takes no parsing when there is one version', () => {
    expect(serve({})).toBe('Scd.a.b.v1');
    expect(
      serve({
        targets: [
          { version: 'v2', weight: 0 },
          { version: 'v1', weight: 100 },
        ],
      }),
    ).toBe('Scd.a.b.v1');
  });

  it('gives each version the last bucket of its share', () => {
    const targets = [
      { version: 'v3', weight: 1 },
      { version: 'v2', weight: 9 },
      { version: 'v1', weight: 90 },
    ];
    expect(serve({ targets })).toBe('W100cd.a.b.v3 09cd.a.b.v2 99cd.a.b.v1');
    expect(serve({ targets, sticky: false })).toBe('W000cd.a.b.v3 09cd.a.b.v2 99cd.a.b.v1');
    expect(bounds(plan({ targets })).at(-1)?.last).toBe(99);
  });

  it('puts rules first, and maintenance before everything', () => {
    const rules = [{ kind: 'header', name: 'X', value: 'y', version: 'V2' }] as const;
    expect(serve({ rules })).toMatch(
      /^R\[\{"kind":"header","name":"X","value":"y","pool":"cd\.a\.b\.v2\.[0-9a-f]{8}"\}\]\tScd\.a\.b\.v1$/,
    );
    expect(serve({ rules, maintenance: { retryAfter: 9 } })).toBe('M9');
  });

  it('has a digest of what it says, not of how it was written', () => {
    const { targets, ...rest } = plan({});
    expect(planDigest({ ...rest, targets })).toBe(planDigest(plan({})));
    expect(planDigest(plan({ sticky: false }))).not.toBe(planDigest(plan({})));
  });
});

describe('a unified diff', () => {
  const files = (text: string): ReadonlyMap<string, string> => new Map([['f', text]]);

  it('is empty for the same files', () => {
    expect(unifiedDiff(files('a\nb\n'), files('a\nb\n'))).toBe('');
  });

  it('shows changes with three lines around them, each far one in a hunk of its own', () => {
    const before = Array.from({ length: 20 }, (_, line) => `${line + 1}`);
    const after = before.with(1, 'two').with(17, 'eighteen');
    expect(unifiedDiff(files(before.join('\n')), files(after.join('\n')))).toBe(
      `--- a/f\n+++ b/f\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -15,6 +15,6 @@\n 15\n 16\n 17\n-18\n+eighteen\n 19\n 20\n`,
    );
  });

  it('names files that come and go', () => {
    expect(unifiedDiff(new Map(), files('a\n'))).toBe('--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n');
    expect(unifiedDiff(files('a\n'), new Map())).toBe('--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n');
  });
});

describe("a user's main configuration", () => {
  const main = `user www-data; pid "x.pid"; error_log /var/log/nginx/error.log warn;
# http { include commented.conf; }
events { worker_connections 768; }
http {
  log_format x '{ include quoted.conf; }';
  include mime.types;
  server { include deep.conf; }
  include /etc/nginx/conf.d/*.conf;
}
stream { include stream.conf; }`;

  it('is read for the includes that stand directly in http', () => {
    const found = httpIncludes(main);
    expect(found.map(({ pattern }) => pattern)).toEqual(['mime.types', '/etc/nginx/conf.d/*.conf']);
    expect(main.slice(found[1]?.start, found[1]?.end)).toBe('include /etc/nginx/conf.d/*.conf;');
  });

  it('is read for directives at its top level', () => {
    expect(topLevel(main, 'error_log')).toBe('/var/log/nginx/error.log');
    expect(topLevel(main, 'worker_connections')).toBeNull();
    expect(topLevel('pid /run/a.pid;\n', 'pid')).toBe('/run/a.pid');
  });
});

describe('what Nginx says of itself', () => {
  const said = (version: string, instant: string): string =>
    `nginx version: nginx/${version}\nconfigure arguments: --prefix=/usr --http-log-path=/var/log/nginx/access.log\n----8<----\nload_module /m.so;\n----8<----\nnginx\n----8<----\n${instant}\n`;
  const ran = (stdout: string) => ({ code: 0, stdout, stderr: '' });

  it('tells what it can do', () => {
    const { capabilities, facts } = readProbe(ran(said('1.27.4', 'instant')), 'here');
    expect(capabilities).toEqual({ version: '1.27.4', instant: true, gracefulReload: true });
    expect(facts).toMatchObject({ modules: ['load_module /m.so;'], user: 'nginx', built: { prefix: '/usr' } });
    expect(readProbe(ran(said('1.27.3', 'reload')), 'here').capabilities).toMatchObject({
      instant: false,
      gracefulReload: false,
    });
  });

  it('must be an Nginx that is new enough', () => {
    expect(() => readProbe(ran(said('1.14.2', 'reload')), 'here')).toThrow(/1\.14\.2 .* older than 1\.15\.3/);
    expect(() => readProbe(ran('sh: nginx: not found'), 'here')).toThrow(/no Nginx .* not found/);
    expect(atLeast('1.30.0', '1.27.4')).toBe(true);
  });
});

describe('a shell script', () => {
  it('takes any word and any content as it is', () => {
    expect(quote("a'b$c`d")).toBe(`'a'\\''b$c\`d'`);
    expect(writeLines('/x', 'CD_END\n$y')).toBe(
      `cat > '/x.new' <<'CD_END_'\nCD_END\n$y\nCD_END_\nchmod 644 '/x.new' && mv -f '/x.new' '/x'\n`,
    );
  });
});

describe("Docker's stream frames", () => {
  it('are put together wherever they are cut', () => {
    const frame = (kind: number, text: string): Buffer => {
      const head = Buffer.alloc(8);
      head[0] = kind;
      head.writeUInt32BE(Buffer.byteLength(text), 4);
      return Buffer.concat([head, Buffer.from(text)]);
    };
    const bytes = Buffer.concat([frame(1, 'aü'), frame(2, 'no'), frame(1, 'b')]);
    const frames = new Frames();
    for (const byte of bytes) frames.push(Buffer.from([byte]));
    expect([frames.stdout(), frames.stderr()]).toEqual(['aüb', 'no']);
  });
});
