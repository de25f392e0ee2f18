/** What the text of files tells: keys, tokens, files of credentials. */
import type { Candidate } from './candidate.ts';
import type { LayerEntry } from './contents.ts';
import type { RuleId } from './rules.ts';
import { assignments, findConfigTokens, findTokens, isPlaceholder, looksSecret, maskedLength } from './secrets.ts';

/** Of a longer file the beginning is read. Bytes. */
export const READ_LIMIT = 1_048_576;
const SNIFFED = 1024;
/** Findings of one file beyond this say nothing new. */
const MAX_PER_FILE = 20;

/** Files that hold credentials, and what in them is one. The secret is the group. */
const CREDENTIAL_FILES: readonly (readonly [RegExp, string, RegExp])[] = [
  [/(?:^|\/)\.?npmrc$/, 'npm credentials', /(?:_authToken|_password|_auth)\s*=\s*"?([^\s"]+)/g],
  [/(?:^|\/)\.yarnrc\.yml$/, 'npm credentials', /npmAuth(?:Token|Ident)\s*:\s*"?([^\s"]+)/g],
  [/(?:^|\/)\.pypirc$/, 'PyPI credentials', /^[ \t]*password[ \t]*[=:][ \t]*(\S+)/gm],
  [/(?:^|\/)\.git-credentials$/, 'Git credentials', /:\/\/[^\s/:@]*:([^\s/@]+)@/g],
  [/(?:^|\/)[._]netrc$/, 'netrc credentials', /\bpassword\s+(\S+)/g],
  [
    /(?:^|\/)(?:\.docker\/config\.json|\.dockercfg|\.dockerconfigjson)$/,
    'registry credentials',
    /"(?:auth|identitytoken|registrytoken|password)"\s*:\s*"([^"]+)"/g,
  ],
  [
    /(?:^|\/)\.aws\/(?:credentials|config)$/,
    'AWS credentials',
    /aws_(?:secret_access_key|session_token)\s*=\s*(\S+)/gi,
  ],
  [/(?:^|\/)\.pgpass$/, 'PostgreSQL credentials', /^[^#\n:]*:[^\n:]*:[^\n:]*:[^\n:]*:(\S+)/gm],
  [/(?:^|\/)\.my\.cnf$/, 'MySQL credentials', /^[ \t]*password[ \t]*=[ \t]*"?([^\s"]+)/gm],
  [
    /(?:^|\/)(?:\.kube\/config|kubeconfig(?:\.ya?ml)?)$/,
    'Kubernetes credentials',
    /^[ \t]*(?:client-key-data|token|password)[ \t]*:[ \t]*"?([^\s"]+)/gm,
  ],
  [/(?:^|\/)\.vault-token$/, 'Vault token', /^(\S{8,})/g],
  [/(?:^|\/)\.config\/gh\/hosts\.yml$/, 'GitHub credentials', /oauth_token\s*:\s*(\S+)/g],
];

/** Files of settings, where a name tells whether its value is a secret. */
const SETTINGS =
  /(?:^|\/)(?:\.env(?!\.(?:example|sample|template|dist|defaults?)$)(?:\.[\w-]+)*|[\w-]+\.env|application[\w-]*\.(?:properties|ya?ml)|appsettings[\w.-]*\.json|secrets?\.(?:ya?ml|json|toml)|credentials\.(?:json|ya?ml)|database\.ya?ml|wp-config\.php)$/;

/** Where packages keep keys and tokens on purpose. */
const SHIPPED =
  /(?:^|\/)(?:node_modules|site-packages|dist-packages|gems|vendor|go\/pkg\/mod)\/.*(?:^|[/_.-])(?:tests?|__tests__|specs?|fixtures?|examples?|samples?|docs?|README)(?:[/_.-]|$)|^usr\/(?:local\/)?lib\/python[\d.]+\/(?:test|idlelib)\/|^usr\/share\/(?:doc|perl|man)\/|ssl-cert-snakeoil\.key$/i;

/** The text of a file, up to `READ_LIMIT` bytes; null when it is binary. */
export async function readText(entry: LayerEntry): Promise<string | null> {
  const head = await entry.read(SNIFFED);
  if (head.includes(0)) return null;
  // Read before it is joined: the head is only valid until then.
  const start = head.toString('latin1');
  return entry.size <= SNIFFED ? start : start + (await entry.read(READ_LIMIT - SNIFFED)).toString('latin1');
}

/** The secrets in the text of a file. */
export function checkText(entry: LayerEntry, text: string): readonly Candidate[] {
  const settings = SETTINGS.test(entry.path) && !SHIPPED.test(entry.path);
  const tokens = (settings ? findConfigTokens(text) : findTokens(text)).map((match): Fault => {
    return [match.isPrivateKey ? 'CD013' : 'CD012', match.excerpt, match.offset];
  });
  const credentials = CREDENTIAL_FILES.filter(([path]) => path.test(entry.path)).flatMap(([, kind, pattern]) =>
    [...text.matchAll(pattern)]
      .filter((match) => !isPlaceholder(match[1] ?? ''))
      .map((match): Fault => ['CD012', `${kind} ${maskedLength(match[1] ?? '')}`, match.index]),
  );
  const named = settings ? namedSecrets(text) : [];
  const lines = new Set<number>();
  return [...tokens, ...credentials, ...named].slice(0, MAX_PER_FILE).flatMap(([rule, detail, offset]) => {
    const line = lineOf(text, offset);
    if (lines.has(line)) return []; // the same secret by another of its marks
    lines.add(line);
    return [candidate(entry, SHIPPED.test(entry.path) ? 'CD016' : rule, detail, line)];
  });
}

type Fault = readonly [rule: RuleId, detail: string, offset: number];

function namedSecrets(text: string): readonly Fault[] {
  return assignments(text)
    .filter(({ name, value }) => looksSecret(name, value))
    .map(({ name, value, offset }): Fault => ['CD014', `${name}=${maskedLength(value)}`, offset]);
}

function candidate(entry: LayerEntry, rule: RuleId, detail: string, line: number): Candidate {
  const { layer, path, size } = entry;
  const group = rule === 'CD016' ? path.slice(0, Math.max(path.lastIndexOf('/'), 0)) : '';
  return { rule, layer, path, line, detail, onlyVisible: false, group, size };
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}
