import { UnavailableError, UserError } from '@cd-actions/shared/domain/errors';
import { explain, isPassing } from '@cd-actions/shared/registry/failures';
import { describe, expect, it } from 'vitest';

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

describe('explain', () => {
  it.each([
    ['MOVED 1234 127.0.0.1:7001', UserError, 'does not fit the form'],
    ['MISCONF Redis is configured to save RDB snapshots', UnavailableError, 'cannot save to disk'],
    ['NOREPLICAS Not enough good replicas to write.', UnavailableError, 'no primary or too few replicas'],
    ['CLUSTERDOWN Hash slot not served', UnavailableError, 'no primary or too few replicas'],
    ["ERR unknown command 'EVALSHA'", UserError, 'needs Redis 6 or newer'],
    ['ERR something nobody thought of', UnavailableError, 'answers with an error'],
  ])('puts %s into words', (message, kind, words) => {
    const explained = explain(reply(message), 'Redis at host:6379', []);
    expect(explained).toBeInstanceOf(kind);
    const whole = `${explained.message} ${explained instanceof UserError ? explained.remedy : ''}`;
    expect(whole).toContain('Redis at host:6379');
    expect(whole).toContain(words);
  });

  it('strikes the password out of whatever the server repeats', () => {
    const explained = explain(reply('ERR no such thing as hunter2'), 'Redis at host:6379', ['hunter2']);
    expect(`${explained.message}${explained.cause}`).not.toContain('hunter2');
  });

  it('leaves a bug a bug', () => {
    const bug = new TypeError('x is not a function');
    expect(explain(bug, 'Redis at host:6379', [])).toBe(bug);
  });
});

describe('isPassing', () => {
  it('tells what soon may be over from what will not', () => {
    expect(isPassing(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))).toBe(true);
    expect(isPassing(reply('LOADING Redis is loading the dataset in memory'))).toBe(true);
    expect(isPassing(reply('WRONGPASS invalid username-password pair'))).toBe(false);
    expect(isPassing(new Error('Command timed out'))).toBe(false);
  });
});
