import { Refused } from '@cd-actions/shared/domain/grammar';
import { parseRedisUrl, redisName, redisSecrets } from '@cd-actions/shared/domain/redis-url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const plain = {
  kind: 'single',
  tls: false,
  nodes: [{ host: '127.0.0.1', port: 6379 }],
  username: '',
  password: '',
  database: 0,
  primary: '',
  sentinelUsername: '',
  sentinelPassword: '',
  ca: '',
  cert: '',
  key: '',
};

describe('a registry URL', () => {
  it.each([
    ['redis://127.0.0.1', plain],
    ['redis://127.0.0.1:6379/', plain],
    ['redis://[::1]:7000/3', { ...plain, nodes: [{ host: '::1', port: 7000 }], database: 3 }],
    ['redis://:p%40s%2Fs@127.0.0.1', { ...plain, password: 'p@s/s' }],
    ['REDISS://u:p@127.0.0.1', { ...plain, tls: true, username: 'u', password: 'p' }],
    [
      'rediss://127.0.0.1?ca=/c.pem&cert=/d.pem&key=/k%20.pem',
      { ...plain, tls: true, ca: '/c.pem', cert: '/d.pem', key: '/k .pem' },
    ],
    [
      'redis+sentinel://u:p@s1,s2:7/main/2?sentinel-password=q',
      {
        ...plain,
        kind: 'sentinel',
        nodes: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 7 },
        ],
        username: 'u',
        password: 'p',
        primary: 'main',
        database: 2,
        sentinelPassword: 'q',
      },
    ],
    [
      'rediss+cluster://:p@a,b:1',
      {
        ...plain,
        kind: 'cluster',
        tls: true,
        nodes: [
          { host: 'a', port: 6379 },
          { host: 'b', port: 1 },
        ],
        password: 'p',
      },
    ],
  ])('is read: %s', (raw, address) => expect(parseRedisUrl(raw)).toEqual(address));

  it.each([
    ['http://redis', 'is not such a URL'],
    ['redis', 'is not such a URL'],
    ['redis://', 'names no host'],
    ['redis:///0', 'names no host'],
    ['redis://a b', 'is not such a URL'],
    ['redis://a#0', 'is not such a URL'],
    ['redis://a:0', 'port'],
    ['redis://a:70000', 'port'],
    ['redis://-a', 'host'],
    ['redis://a/b', 'database'],
    ['redis://a/1/2', 'database'],
    ['redis://secret@a', 'user without a password'],
    ['redis://user:@a', 'user without a password'],
    ['redis://:100%@a', 'percent-encoding'],
    ['redis://:pa/ss@a', 'no host name'],
    ['redis://a,b', 'several hosts'],
    ['redis://a?db=1', 'not known (this form takes none)'],
    ['rediss://a?rejectUnauthorized=false', 'allowed here: ca, cert, key'],
    ['rediss://a?ca=c.pem', 'no absolute path'],
    ['rediss://a?cert=/c.pem', 'without the other'],
    ['redis+sentinel://a', 'name the primary'],
    ['redis+cluster://a/1', 'only database 0'],
    [`redis://${'a'.repeat(3000)}`, 'longer'],
  ])('is refused: %s', (raw, why) => {
    expect(() => parseRedisUrl(raw)).toThrow(Refused);
    expect(() => parseRedisUrl(raw)).toThrow(why);
  });

  it('gives back any login that was percent-encoded, masks it both ways, and never shows it', () => {
    const part = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
    fc.assert(
      fc.property(part, part, (username, password) => {
        const encoded = encodeURIComponent(password);
        const raw = `redis://${encodeURIComponent(username)}:${encoded}@host`;
        const address = parseRedisUrl(raw);
        expect(address).toMatchObject({ username, password });
        expect(redisSecrets(raw)).toEqual([...new Set([encoded, password])]);
        expect(redisName(address)).toBe('Redis at host:6379');
      }),
    );
  });

  it('is read or refused, never anything else', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }),
        fc.constantFrom('', 'redis://', 'rediss://a?', 'redis+sentinel://'),
        (text, start) => {
          try {
            parseRedisUrl(start + text);
          } catch (error) {
            expect(error).toBeInstanceOf(Refused);
          }
          redisSecrets(start + text);
        },
      ),
    );
  });
});
