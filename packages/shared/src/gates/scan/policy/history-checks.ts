/** What the build history tells. Its commands may hold secrets: only names and addresses without their query are repeated. */
import { type ConfigFault, secretFaults } from './config-checks.ts';
import type { ImageConfig } from './contents.ts';
import type { RuleId } from './rules.ts';
import { assignments } from './secrets.ts';

const FETCH = /\b(?:curl|wget|fetch)\b[^|;&\n]{0,2000}/;
const PIPED = new RegExp(
  `${FETCH.source}\\|\\s*(?:sudo\\s+(?:-\\S+\\s+)*)?(?:env\\s+(?:[^\\s=]+=\\S*\\s+)*)?(?:/\\S*/)?(?:ba|da|a|z)?sh\\b|(?:ba|da|a|z)?sh\\s+(?:-c\\s+)?["']?(?:<\\(|\\$\\()\\s*(?:curl|wget)\\b`,
);
const VERIFICATION_OFF: readonly (readonly [RegExp, string])[] = [
  [/\bcurl\b[^|;&\n]{0,2000}\s(?:-\w{0,20}k\w{0,20}|--insecure)(?:\s|$)/, 'curl --insecure'],
  [/--no-check-certificate\b/, 'wget --no-check-certificate'],
  [/--allow-unauthenticated\b|--force-yes\b|\[trusted=yes\]/, 'apt without signatures'],
  [/\bapk\b[^|;&\n]{0,2000}--allow-untrusted\b/, 'apk --allow-untrusted'],
  [/--nogpgcheck\b|gpgcheck=0/, 'rpm packages without signatures'],
  [/strict-ssl[=\s]+false|NODE_TLS_REJECT_UNAUTHORIZED=["']?0/, 'TLS without verification'],
  [/http\.sslVerify[=\s]+false|GIT_SSL_NO_VERIFY=/, 'Git without verification'],
  [/--trusted-host\b/, 'pip --trusted-host'],
];
const UPDATE = /\b(?:apt-get|apt|yum|dnf)\s+(?:-\S+\s+)*(?:update|makecache)\b/;
const INSTALL = /\b(?:apt-get|apt|yum|dnf)\s+(?:-\S+\s+)*(?:install|upgrade|dist-upgrade)\b/;
/** The classic builder writes a remote source as a bare hash, where a local one has `file:`, `dir:` or `multi:` before it. */
const CLASSIC_REMOTE_ADD = /\bADD (?:--\S+ )*[0-9a-f]{64} in /;
const REMOTE_ADD = /\bADD (?:--(?!checksum)\S+ )*((?:https?|ftp|git):\/\/\S+|git@\S+)/;

export function checkHistory(config: ImageConfig): readonly ConfigFault[] {
  return config.history.flatMap(({ createdBy }, index) => {
    const key = `history ${index + 1}`;
    return [
      ...instruction(createdBy).map(([rule, detail]) => ({ rule, key, detail })),
      ...secrets(config, createdBy, key),
    ];
  });
}

/** No step that a person wrote is longer; the patterns of instructions take more than linear time. */
const LONGEST_COMMAND = 20_000;

function instruction(step: string): readonly (readonly [RuleId, string])[] {
  const command = step.slice(0, LONGEST_COMMAND);
  const remote = REMOTE_ADD.exec(command)?.[1];
  const pinned = /\bADD (?:--\S+ )*--checksum=/.test(command);
  return [
    ...(remote !== undefined && !pinned ? [['CD052', addressOf(remote)] as const] : []),
    ...(CLASSIC_REMOTE_ADD.test(command) ? [['CD052', 'a remote file'] as const] : []),
    ...(PIPED.test(command)
      ? [['CD053', `from ${addressOf(/https?:\/\/\S+/.exec(command)?.[0] ?? '')}`] as const]
      : []),
    ...VERIFICATION_OFF.filter(([flag]) => flag.test(command)).map(([, what]) => ['CD054', what] as const),
    ...(UPDATE.test(command) && !INSTALL.test(command) ? [['CD055', 'no install in the same step'] as const] : []),
  ];
}

/** Scheme and host: a path or query may carry a token. */
function addressOf(text: string): string {
  const url = text.replace(/["'\\()]/g, '');
  return URL.canParse(url) && new URL(url).host !== ''
    ? `${new URL(url).protocol}//${new URL(url).host}`
    : 'an address';
}

/** Build arguments and values overwritten since. What the environment still says is reported there. */
function secrets(config: ImageConfig, command: string, key: string): readonly ConfigFault[] {
  const still = [...config.env, ...Object.entries(config.labels).map(([name, value]) => `${name}=${value}`)];
  const text = still.filter((each) => each.includes('=')).reduce((rest, each) => withoutValue(rest, each), command);
  return secretFaults(key, assignments(text), text);
}

function withoutValue(command: string, assignment: string): string {
  const value = assignment.slice(assignment.indexOf('=') + 1);
  return value.length < 6 || !/\b(?:ENV|LABEL)\b/.test(command) ? command : command.replaceAll(value, '');
}
