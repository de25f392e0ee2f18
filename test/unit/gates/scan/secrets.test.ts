import { assignments, findConfigTokens, findTokens, looksSecret } from '@cd-actions/shared/gates/scan/policy/secrets';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Put together here so that no scanner of this repository takes them for real. */
const random = (length: number): string => 'aB3dE5gH7jK9mN1pQ2sT4vW6xY8z'.repeat(10).slice(0, length);
const TOKENS: readonly (readonly [kind: string, text: string, secret: string])[] = [
  ['AWS access key', 'KEY=', `AK${'IA'}QYLPMN5HFIQR7XYA`],
  ['AWS secret key', 'aws_secret_access_key = ', random(40)],
  ['GitHub token', 'x ', `gh${'p_'}${random(36)}`],
  ['GitHub token', '', `github_${'pat_'}${random(82)}`],
  ['GitLab token', '', `gl${'pat-'}${random(20)}`],
  ['Slack token', '', `xo${'xb-'}123456789012-${random(24)}`],
  ['Google API key', '', `AI${'za'}${random(35)}`],
  ['npm token', '', `np${'m_'}${random(36)}`],
  ['Stripe key', '', `sk_${'live_'}${random(24)}`],
  ['Docker Hub token', '', `dckr_${'pat_'}${random(27)}`],
];

describe('credentials of a known format', () => {
  it.each(TOKENS)('%s is found, and its excerpt does not hold it', (kind, before, secret) => {
    const [match, ...more] = findTokens(`a line\n${before}${secret}\nanother`);
    expect(more).toEqual([]);
    expect(match?.kind).toBe(kind);
    // At most the prefix that all of the kind share.
    expect(match?.excerpt).not.toContain(secret.slice(-8));
    expect(secret.includes(/ (\S{0,12})…/.exec(match?.excerpt ?? '')?.[1] ?? '')).toBe(true);
  });

  it('takes a private key for one only with its body, in a file or escaped in JSON', () => {
    const body = `${random(64)}\n${random(64)}`;
    const head = `-----BEGIN RSA ${'PRIVATE'} KEY-----`;
    expect(findTokens(`${head}\n${body}\n`)).toHaveLength(1);
    expect(findTokens(`${head}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n${body}`)).toHaveLength(1);
    expect(findTokens(JSON.stringify({ key: `${head}\n${body}` }))).toHaveLength(1);
    expect(findTokens(`if (text.startsWith('${head}')) return parse(text);`)).toEqual([]);
  });

  it('leaves alone the examples of documentation', () => {
    expect(findTokens(`AK${'IA'}IOSFODNN7EXAMPLE`)).toEqual([]);
    expect(findTokens(`gh${'p_'}${'x'.repeat(36)}`)).toEqual([]);
  });

  it('looks for passwords in URLs and for JSON Web Tokens in configuration only', () => {
    const url = 'postgres://shop:Tr0ub4dor3@db/shop';
    expect(findConfigTokens(url).map(({ kind }) => kind)).toEqual(['password in a URL']);
    expect(findTokens(url)).toEqual([]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference as it stands in a file
    expect(findConfigTokens('postgres://shop:${PASSWORD}@db/shop redis://:changeme@redis')).toEqual([]);
  });

  it('takes time in proportion to the text, whatever the text', () => {
    const hostile = [
      'eyJ'.repeat(30_000),
      `-----BEGIN ${'PRIVATE'} KEY-----${'\n'.repeat(100_000)}`,
      `-----BEGIN ${'PRIVATE'} KEY-----${'a: b\n'.repeat(20_000)}`,
      'a://'.repeat(30_000),
      'a='.repeat(50_000),
      'a.'.repeat(50_000),
      '"'.repeat(100_000),
    ];
    const begun = performance.now();
    for (const text of hostile) {
      findConfigTokens(text);
      assignments(text);
    }
    expect(performance.now() - begun).toBeLessThan(3_000);
  });
});

describe('a value that looks like a secret', () => {
  it.each([
    ['DB_PASSWORD', 'hunter22'],
    ['POSTGRES_PASSWORD', 's3cr3t-Pa55'],
    ['API_KEY', '8f14e45fceea167a5a36dedd4bea2543'],
    ['npm.authToken', '0f9d2c7a-77aa-4be1-a0d2-2f5ce4bbd001'],
    ['clientSecret', 'k8Jd72hdkKD92jdk'],
    ['SECRET_KEY', 'django-insecure-4(1)k2'],
  ])('%s=%s is one', (name, value) => expect(looksSecret(name, value)).toBe(true));

  it.each([
    ['GPG_KEY', 'A035C8C19219BA821ECEA86B64E628F8D684696D'],
    ['PYTHON_SHA256', '8f14e45fceea167a5a36dedd4bea2543'],
    ['DB_PASSWORD', 'changeme'],
    ['DB_PASSWORD', 'your-password-1'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference as it stands in a file
    ['DB_PASSWORD', '${DB_PASSWORD}'],
    ['DB_PASSWORD', '$DB_PASSWORD'],
    ['DB_PASSWORD_FILE', '/run/secrets/db1'],
    ['DB_PASSWORD', '/run/secrets/db1'],
    ['PASSWORD_MIN_LENGTH', '12345678a'],
    ['TOKEN_URL', 'https://id1.example.org/token'],
    ['AUTH_TOKEN', 'required'],
    ['AUTH_TOKEN', ''],
    ['NODE_VERSION', '24.21.0'],
    ['TOKEN', 'aaaaaaaa1'],
  ])('%s=%s is none', (name, value) => expect(looksSecret(name, value)).toBe(false));

  it('is found however it is assigned', () => {
    const text = `A_TOKEN=one --password=two x: three "key": "four" B='fi ve' C="s;x"`;
    expect(assignments(text).map(({ name, value }) => `${name}=${value}`)).toEqual([
      'A_TOKEN=one',
      'password=two',
      'x=three',
      'key=four',
      'B=fi ve',
      'C=s;x',
    ]);
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        for (const { name, value } of assignments(text)) looksSecret(name, value);
        findConfigTokens(text);
      }),
    );
  });
});
