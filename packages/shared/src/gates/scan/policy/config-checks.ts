/** What the image's configuration tells. */
import type { ImageConfig } from './contents.ts';
import type { RuleId } from './rules.ts';
import { assignments, findConfigTokens, looksSecret, maskedLength } from './secrets.ts';

/** A fault in the image as a whole. `key` names the place: `User`, `Env.TOKEN`, `history 3`. */
export interface ConfigFault {
  readonly rule: RuleId;
  readonly key: string;
  readonly detail: string;
}

/** Ports by which a program or its host is managed or debugged, not used. */
const MANAGEMENT_PORTS: Readonly<Record<string, string>> = {
  '21': 'FTP',
  '22': 'SSH',
  '23': 'Telnet',
  '2375': 'Docker without TLS',
  '2376': 'Docker',
  '3389': 'remote desktop',
  '5005': 'Java debugger',
  '5678': 'Python debugger',
  '5900': 'VNC',
  '6379': 'Redis',
  '9229': 'Node.js inspector',
  '10250': 'kubelet',
  '11211': 'memcached',
};

const DEBUG_FLAGS: readonly (readonly [RegExp, string])[] = [
  [/--inspect(?:-brk|-wait|-port)?(?:[=\s]|$)/, 'the Node.js inspector'],
  [/-agentlib:jdwp|-Xrunjdwp|-Xdebug/, 'the Java debugger'],
  [/-m\s+(?:debugpy|pdb|ptvsd)\b/, 'a Python debugger'],
  [/\bdlv\s+(?:exec|debug|attach)\b/, 'the Go debugger'],
  [/^(?:FLASK_DEBUG|DJANGO_DEBUG|WERKZEUG_DEBUG_PIN)=(?:1|true|on|off)$/i, 'the debug mode of the web framework'],
  [
    /^(?:FLASK_ENV|RAILS_ENV|APP_ENV|ASPNETCORE_ENVIRONMENT|NODE_ENV)=development$/i,
    'the development mode of the framework',
  ],
  [/^APP_DEBUG=(?:1|true)$/i, 'the debug mode of the web framework'],
];

const INIT = /(?:^|\/)(?:tini|dumb-init|catatonit|s6-svscan|init|systemd|supervisord|runit|docker-init)$/;
const SHELL = /(?:^|\/)(?:ba|da|a|z|k)?sh$/;
/** Runtimes without signal handling of their own for process 1. */
const BARE_RUNTIME = /(?:^|\/)(?:node|nodejs|python[\d.]*|ruby|php|perl|npm|yarn|pnpm|npx)$/;

/** Images are corrected at least this often by their distributions. */
const OLD_AFTER_DAYS = 180;
/** Reproducible builds give a fixed date long past. */
const NO_REAL_DATE_BEFORE = Date.parse('2013-01-01');

/** @param now milliseconds since the epoch. */
export function checkConfig(config: ImageConfig, now: number): readonly ConfigFault[] {
  return [
    ...user(config),
    ...secretsIn(config),
    ...healthcheck(config),
    ...ports(config),
    ...debugging(config),
    ...process(config),
    ...base(config),
    ...age(config, now),
  ];
}

function user({ user }: ImageConfig): readonly ConfigFault[] {
  const [name = ''] = user.split(':');
  if (name === '') return [{ rule: 'CD001', key: 'User', detail: 'no user is set' }];
  if (name === 'root' || /^0+$/.test(name)) return [{ rule: 'CD001', key: 'User', detail: `the user is ${name}` }];
  return /^\d+$/.test(name) ? [] : [{ rule: 'CD002', key: 'User', detail: `the user is ${name}` }];
}

function secretsIn(config: ImageConfig): readonly ConfigFault[] {
  const named = [
    ...config.env.map((each) => [`Env.${each.split('=', 1)[0]}`, each] as const),
    ...Object.entries(config.labels).map(([name, value]) => [`Labels.${name}`, `${name}=${value}`] as const),
  ];
  const commands = [
    ['Entrypoint', config.entrypoint],
    ['Cmd', config.command],
    ['Healthcheck', config.healthcheck],
  ] as const;
  return [
    ...named.flatMap(([key, text]) => {
      const equals = text.indexOf('=');
      return secretFaults(key, [{ name: text.slice(0, equals), value: text.slice(equals + 1) }], text);
    }),
    ...commands.flatMap(([key, words]) => secretFaults(key, assignments(words.join(' ')), words.join(' '))),
  ];
}

/** The faults of one text; a credential of a known format is not reported again for its name. */
export function secretFaults(
  key: string,
  values: readonly { readonly name: string; readonly value: string }[],
  text: string,
): readonly ConfigFault[] {
  const tokens = findConfigTokens(text);
  if (tokens.length > 0) return tokens.map(({ excerpt }) => ({ rule: 'CD010', key, detail: excerpt }));
  return values
    .filter(({ name, value }) => looksSecret(name, value))
    .map(({ name, value }) => ({ rule: 'CD011', key, detail: `${name}=${maskedLength(value)}` }));
}

function healthcheck({ healthcheck }: ImageConfig): readonly ConfigFault[] {
  const [kind = ''] = healthcheck;
  if (kind !== '' && kind !== 'NONE') return [];
  return [{ rule: 'CD040', key: 'Healthcheck', detail: kind === 'NONE' ? 'it is switched off' : 'none is set' }];
}

function ports({ exposedPorts }: ImageConfig): readonly ConfigFault[] {
  return exposedPorts.flatMap((port): ConfigFault[] => {
    const use = MANAGEMENT_PORTS[port.split('/', 1)[0] ?? ''];
    return use === undefined ? [] : [{ rule: 'CD041', key: `ExposedPorts.${port}`, detail: use }];
  });
}

function debugging(config: ImageConfig): readonly ConfigFault[] {
  const texts = [
    ['Entrypoint', config.entrypoint.join(' ')] as const,
    ['Cmd', config.command.join(' ')] as const,
    ...config.env.map((each) => [`Env.${each.split('=', 1)[0]}`, each] as const),
  ];
  return texts.flatMap(([key, text]) =>
    DEBUG_FLAGS.filter(([flag]) => flag.test(text)).map(
      ([, what]): ConfigFault => ({ rule: 'CD042', key, detail: what }),
    ),
  );
}

function process({ entrypoint, command }: ImageConfig): readonly ConfigFault[] {
  const words = [...entrypoint, ...command];
  const key = entrypoint.length > 0 ? 'Entrypoint' : 'Cmd';
  const [program = '', flag = '', script = ''] = words;
  if (SHELL.test(program) && /^-\w*c$/.test(flag) && !/^\s*exec\s/.test(script))
    return [{ rule: 'CD043', key, detail: `${program} ${flag}` }];
  if (INIT.test(program) || !BARE_RUNTIME.test(program)) return [];
  return [{ rule: 'CD044', key, detail: `process 1 is ${program}` }];
}

const BASE_NAME = 'org.opencontainers.image.base.name';
const BASE_DIGEST = 'org.opencontainers.image.base.digest';

/** An image says what it was built upon only by the OCI annotations (image-spec, annotations.md). */
function base({ labels }: ImageConfig): readonly ConfigFault[] {
  const name = labels[BASE_NAME] ?? '';
  const missing = [BASE_NAME, 'org.opencontainers.image.revision', 'org.opencontainers.image.source'].filter(
    (label) => (labels[label] ?? '') === '',
  );
  const unsaid: readonly ConfigFault[] =
    missing.length === 0 ? [] : [{ rule: 'CD060', key: 'Labels', detail: `missing: ${missing.join(', ')}` }];
  if (name === '' || name === 'scratch' || name.includes('@sha256:')) return unsaid;
  const tag = /:([^/:]+)$/.exec(name)?.[1] ?? '';
  const key = `Labels.${BASE_NAME}`;
  if (tag === '' || /^(?:latest|stable|edge|nightly|main|master|rolling|lts|current)$/.test(tag))
    return [...unsaid, { rule: 'CD050', key, detail: tag === '' ? 'no tag is given' : `the tag is ${tag}` }];
  return (labels[BASE_DIGEST] ?? '') === '' ? [...unsaid, { rule: 'CD051', key, detail: `the tag is ${tag}` }] : unsaid;
}

function age({ created }: ImageConfig, now: number): readonly ConfigFault[] {
  const time = Date.parse(created);
  if (Number.isNaN(time) || time < NO_REAL_DATE_BEFORE) return [];
  const days = Math.floor((now - time) / 86_400_000);
  return days <= OLD_AFTER_DAYS ? [] : [{ rule: 'CD061', key: 'Created', detail: `built ${days} days ago` }];
}
