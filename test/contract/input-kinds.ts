import { type Danger, HOSTILE } from './hostile.ts';

/** What an input must do with what it is given. Decided by what the input is for, not by how its parser is written. */
export interface Kind {
  /** Dangers that are refused as the whole value, and inside an otherwise right one where `around` says how. */
  readonly refuses: readonly Danger[];
  /** Wrong in the way that is particular to this kind. */
  readonly malformed: readonly string[];
  /** Right: a parser that refuses everything does not pass. */
  readonly accepts: readonly string[];
  /** An otherwise right value around a danger. */
  readonly around?: (danger: string) => string;
  /** Whatever is accepted matches this: the whole value, or each item of a list. */
  readonly shape?: RegExp;
}

const ALL = Object.keys(HOSTILE) as Danger[];
/** Free text: what would corrupt a terminal, a log or a C string is refused, the rest is the user's own. */
const BROKEN: readonly Danger[] = ['one megabyte', 'NUL', 'an escape sequence'];
const ONE_LINE: readonly Danger[] = [...BROKEN, 'a line break', 'a carriage return'];

const strict = (kind: Omit<Kind, 'refuses'>): Kind => ({ refuses: ALL, ...kind });
const inside = (danger: string): string => `a${danger}b`;

const name = strict({
  malformed: ['-shop', 'shop-', 'Shop', 'shop_1', 'shop.1', 'a'.repeat(41), 'sh/op'],
  accepts: ['shop', 's', '7', 'shop-2', 'a'.repeat(40)],
  around: inside,
  shape: /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
});
const version = strict({
  malformed: ['.1', '-1', '1.0+build', 'a/b', 'a:b', 'a@b', 'v'.repeat(129)],
  accepts: ['1.4.2', '3f2a9c1', 'v2', 'RC_1', 'v'.repeat(128)],
  around: inside,
  shape: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/,
});
const container = strict({
  malformed: ['.a', '-a', '_a', 'a/b', 'a:b', 'a'.repeat(129)],
  accepts: ['cd-nginx', 'web_1.x'],
  around: inside,
  shape: /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
});
const image = strict({
  malformed: [
    'ghcr.io/Acme/shop',
    'shop:',
    'shop@sha256:abc',
    'shop:tag:tag',
    '/shop',
    'shop/',
    'https://ghcr.io/shop',
  ],
  accepts: ['shop', 'ghcr.io/acme/shop:1.4.2', 'localhost:5000/shop', `shop@sha256:${'a'.repeat(64)}`],
  around: (danger) => `shop${danger}:1`,
  shape: /^[A-Za-z0-9][A-Za-z0-9._/:@-]*$/,
});
const absolutePath = strict({
  malformed: ['etc/nginx', '/a b', '/a;b', '/a/../b', '/..'],
  accepts: ['/etc/nginx', '/srv/app-1/cert.pem'],
  around: (danger) => `/etc/${danger}/nginx`,
  shape: /^\/[A-Za-z0-9/._@+-]*$/,
});
/** A file of the user's own, in the checkout or in the runner's temporary directory. */
const file: Kind = {
  refuses: ['one megabyte', 'a line break', 'a carriage return', 'path traversal', 'NUL', 'an escape sequence'],
  malformed: ['../x', 'a/../../x', 'a/../b'],
  accepts: ['deploy/app.env', 'report.json'],
  around: (danger) => `deploy/${danger}/file`,
};
const program = strict({
  malformed: ['nginx -g x', './nginx', '/usr/bin/nginx;id', 'a|b'],
  accepts: ['nginx', '/usr/sbin/nginx'],
  around: (danger) => `/usr/sbin/${danger}nginx`,
  shape: /^(\/[A-Za-z0-9/._@+-]*|[A-Za-z0-9_][A-Za-z0-9._+-]*)$/,
});
const duration = strict({
  malformed: ['5', '5 s', '-1s', '1d', 's', '1e3ms', '0x1s', '1,5s', '99999999999s', 'Infinity', '1s1s'],
  accepts: ['1s', '5s', '1500ms'],
  shape: /^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/,
});
const boolean = strict({
  malformed: ['yes', 'no', 'on', 'off', '1', '0', 'tRue', 'y', 'null'],
  accepts: ['true', 'True', 'TRUE', 'false', 'False', 'FALSE'],
  shape: /^(true|True|TRUE|false|False|FALSE)$/,
});
const size = strict({
  malformed: ['0', '-1m', '1.5g', '1G', '1mb', '1 m', 'm', '999999999999g', '1e9'],
  accepts: ['256m', '1g', '67108864'],
  shape: /^\d{1,12}[bkmg]?$/,
});
const whole = (accepts: readonly string[], malformed: readonly string[] = []): Kind =>
  strict({
    malformed: ['1.5', '1e3', '0x10', '+1', '01', 'one', '99999999999999999999', ...malformed],
    accepts,
    shape: /^-?(0|[1-9]\d*)$/,
  });
const port = whole(['1', '8080', '65535'], ['0', '-1', '65536']);
const word = (...words: readonly string[]): Kind =>
  strict({ malformed: ['none-such', words[0]?.toUpperCase() ?? '', `${words[0]}x`], accepts: words });
const decimal = (accepts: readonly string[], malformed: readonly string[]): Kind =>
  strict({ malformed: ['1e3', '0x10', 'one', '.5', '1,5', 'NaN', 'Infinity', ...malformed], accepts });
const httpUrl = strict({
  malformed: [
    'example.org',
    'ftp://example.org',
    'http://',
    '//example.org',
    'javascript:alert(1)',
    'http://a b/',
    'file:///etc/passwd',
  ],
  accepts: ['http://127.0.0.1:8080/', 'https://shop.example.org/health'],
});
const redisUrl = strict({
  malformed: [
    'localhost:6379',
    'http://redis',
    'redis://',
    'redis://redis/abc',
    'redis://:100%@redis',
    'redis://redis:99999',
  ],
  accepts: ['redis://127.0.0.1:6379', 'rediss://default:p%40ss@redis.example.org:6380/3'],
});
const hosts = strict({
  malformed: [
    '/var/run/docker.sock',
    'http://h:2375',
    'tcp://h',
    'tcp://h:0',
    'ssh://-oProxyCommand',
    'unix:///a/../b',
    'ssh://h/path',
  ],
  accepts: ['unix:///var/run/docker.sock', 'ssh://deploy@shop-1:22', '# none\nunix:///var/run/docker.sock'],
  around: (danger) => `ssh://deploy@shop${danger}`,
});
/** `NAME=value` lines: the name is strict, the value the user's own. */
const assignments: Kind = {
  refuses: ALL,
  malformed: ['=x', '1A=x', 'A-B=x', 'A B=x', 'A', 'A=1\nB', 'А=1'],
  accepts: ['A=1', 'A=1\nB=x=y, z\n# C=1', 'A=', 'A={"b": "$c"}'],
};
const pairs: Kind = {
  refuses: ALL,
  malformed: ['=x', 'a b=x', 'a', 'a=1\nb', '\u0430=1'],
  accepts: ['com.example.team=shop', 'a=1\nb=x=y', 'a='],
};
const command: Kind = {
  refuses: BROKEN,
  malformed: ['a "b', "a 'b"],
  accepts: ['node server.js', `sh -c 'echo "$A"; exit 0'`],
};
const sentence: Kind = {
  refuses: ONE_LINE,
  malformed: [],
  accepts: ['Fixes the cart, at last: #12 {really} – für alle'],
};
const text: Kind = { refuses: BROKEN, malformed: [], accepts: ['{"a": "b"}', 'a b; c'] };
const repository = strict({
  malformed: ['ghcr.io/Acme/shop', 'shop:1', `shop@sha256:${'a'.repeat(64)}`, '/shop', 'shop/', 'https://ghcr.io/shop'],
  accepts: ['shop', 'ghcr.io/acme/shop', 'localhost:5000/team/shop'],
  around: (danger) => `ghcr.io/acme${danger}/shop`,
  shape: /^[A-Za-z0-9][A-Za-z0-9._/:-]*$/,
});
/** A path in the checkout that may go up and down within it. */
const sourcePath: Kind = {
  ...file,
  malformed: ['../x', 'a/../../x', '..'],
  accepts: ['.', 'services/shop', 'Dockerfile'],
};
const cache = strict({
  malformed: ['--load', '-a', 'type=local dest=x'],
  accepts: ['ghcr.io/acme/shop:cache', 'type=gha,mode=max', 'type=local,src=/tmp/cache'],
});
const pathPrefix = strict({
  malformed: ['api', '/a b', '/a;', '/a/../b', '/a{'],
  accepts: ['/', '/api', '/shop/api/'],
  around: (danger) => `/api${danger}`,
  shape: /^\/[A-Za-z0-9/._~-]*$/,
});
const serverName = strict({
  malformed: ['shop example', 'shop;', 'shop_{}', '*.*.org', 'http://shop', '-shop.org'],
  accepts: ['_', 'shop.example.org', '*.example.org', 'a.org\nb.org'],
  around: (danger) => `shop${danger}.org`,
});
const listen = strict({
  malformed: ['0', '65536', '80 ssl', '1.2.3.4', '80;', 'unix:/x'],
  accepts: ['80', '8080', '127.0.0.1:8080'],
});

/** By input name; `action/input` where an action means something of its own by a name. */
export const KINDS: Readonly<Record<string, Kind>> = {
  app: name,
  environment: name,
  'redis-url': redisUrl,
  hosts,
  nginx: word('container', 'host'),
  'nginx-container': container,
  'nginx-image': image,
  'nginx-ports': strict({ malformed: ['0', '65536', '80-90', '80;443'], accepts: ['80', '80,443', '80\n8443'] }),
  'nginx-config-dir': absolutePath,
  'nginx-binary': program,
  'nginx-main-config': absolutePath,
  'lock-wait': duration,
  image,
  version,
  port,
  replicas: whole(['1', '3'], ['0', '-1', '100000']),
  env: assignments,
  'env-file': file,
  'secret-env': assignments,
  command,
  'before-start': command,
  volumes: strict({
    malformed: ['/data', '/data:rel', 'data:/x:rx', '/a/../b:/c', '/a:/b/../../c', '/var/run/docker.sock:/x', ':/x'],
    accepts: ['/srv/data:/data', 'data:/data:ro'],
    around: (danger) => `/srv/${danger}:/data`,
  }),
  networks: strict({ malformed: ['-a', '.a', 'a/b', 'a:b'], accepts: ['backend', 'a,b', 'a\nb'], around: inside }),
  memory: size,
  cpus: decimal(['0.5', '2'], ['0', '-1', '5000']),
  labels: pairs,
  'log-driver': strict({ malformed: ['Json', '-a', 'a b'], accepts: ['json-file', 'local', 'grafana/loki:latest'] }),
  'log-options': pairs,
  'health-path': strict({
    malformed: ['health', '/a b', '/ä', 'http://h/'],
    accepts: ['/health', '/health?deep=1&x=y'],
    around: (danger) => `/health/${danger}`,
  }),
  'health-port': port,
  'health-status': strict({
    malformed: ['20', '600', '299-200', '200-', 'OK', '2xx', '200;'],
    accepts: ['200', '200-299', '200,204,301-399'],
  }),
  'health-timeout': duration,
  'health-interval': duration,
  'health-stable': duration,
  'stop-timeout': duration,
  orchestrator: word('docker', 'compose', 'swarm'),
  'compose-file': file,
  service: container,
  'require-evidence': strict({
    malformed: ['Security-Scan', 'all'],
    accepts: ['security-scan', 'security-scan\nperf-test'],
  }),
  'allow-older': boolean,
  weight: whole(['0', '5', '100'], ['-1', '101']),
  traffic: strict({
    malformed: ['v2', 'v2=', '=10', 'v2=10%', 'v2=-1\nv1=101', 'v2=101', 'v2=10\nv2=90', 'v2=10\nv1=80'],
    accepts: ['v2=10\nv1=90', 'v2=100'],
    around: (danger) => `v${danger}=10\nv1=90`,
  }),
  listen,
  'server-name': serverName,
  'path-prefix': pathPrefix,
  'match-header': strict({ malformed: ['=x', 'X Try=1', 'X-Try', 'X-Try='], accepts: [] }),
  'match-cookie': strict({ malformed: ['=x', 'a b=1', 'try', 'try='], accepts: [] }),
  sticky: boolean,
  'tls-certificate': absolutePath,
  'tls-certificate-key': absolutePath,
  template: file,
  output: file,
  steps: strict({
    malformed: ['0', '101', '5,x', '50,25', '5%', '1.5', '-5'],
    accepts: ['5,25,50,100', '100', '10\n100'],
  }),
  'step-interval': duration,
  analysis: text,
  maintenance: text,
  mirror: text,
  'drain-timeout': duration,
  'keep-previous': word('running', 'stopped', 'none'),
  reason: sentence,
  activation: word('auto', 'instant', 'reload'),
  url: httpUrl,
  'expect-version': version,
  'version-header': strict({
    malformed: ['X Version', 'X:Version', 'X(Version)', 'a'.repeat(300)],
    accepts: ['X-Version', 'Server'],
    around: inside,
  }),
  checks: {
    refuses: ALL,
    malformed: [
      '/health',
      'GET health 200',
      'FETCH /health 200',
      'GET /health',
      'GET /health 99',
      'GET /health 200 <5',
    ],
    accepts: ['GET /health 200', 'GET /api/items 200 json:$.items.length>0 <500ms'],
  },
  script: text,
  'min-success-rate': decimal(['99.5', '100'], ['-1', '101']),
  judge: text,
  duration: { ...duration, accepts: [...duration.accepts, '0s'] },
  interval: duration,
  'max-failures': whole(['0', '3'], ['-1']),
  'build-image/image': repository,
  'build-image/secrets': { refuses: ALL, malformed: ['=x', 'a b=x', 'token'], accepts: ['token=a b$c', 'a=1\nb=2'] },
  context: sourcePath,
  file: sourcePath,
  target: container,
  'build-args': assignments,
  tags: strict({
    malformed: ['.1', 'ghcr.io/acme/shop', 'ghcr.io/Acme/shop:1', 'shop:', 'a:b:c'],
    accepts: ['latest', 'latest, 1.4', 'ghcr.io/acme/shop:1\nlatest'],
  }),
  platforms: strict({
    malformed: ['linux', 'linux/', '/amd64', 'Linux/amd64', 'a/b/c/d'],
    accepts: ['linux/arm64', 'linux/arm/v7'],
  }),
  'cache-from': cache,
  'cache-to': cache,
  'no-cache': boolean,
  pull: boolean,
  push: boolean,
  'registry-username': { ...sentence, accepts: ['ada'] },
  'registry-password': { ...sentence, accepts: ['a b$c{d}'] },
  builder: word('auto', 'buildx', 'engine'),
  tests: { ...file, malformed: ['../x', 'a/../../x'] },
  'verify/mode': word('release', 'monitor'),
  'to-version': version,
  redis: word('auto', 'managed', 'none'),
  'redis-image': image,
  'min-free-disk': size,
  force: boolean,
};
