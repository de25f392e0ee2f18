import { deploymentInputs } from '@cd-actions/shared/action/deployment-inputs';
import {
  InputError,
  type Inputs,
  maybe,
  optional,
  problem,
  readInputs,
  required,
  secret,
} from '@cd-actions/shared/action/inputs';
import { boolean, duration, pattern, text } from '@cd-actions/shared/domain/grammar';
import { appName } from '@cd-actions/shared/domain/names';
import { describe, expect, it } from 'vitest';

const inputs = {
  app: required(appName),
  wait: optional(duration(), '30s'),
  force: optional(boolean, 'false'),
  note: maybe(text('text'), null),
  token: secret(maybe(pattern('letters', /^[a-z]+$/), null)),
};

const given = (values: Readonly<Record<string, string>>) => (name: string) => values[name] ?? '';

function problemsOf(read: () => unknown): InputError {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readInputs', () => {
  it('gives values, defaults and what holds for an absent input', () => {
    expect(readInputs(inputs, given({ app: 'shop', force: 'True' }))).toEqual({
      app: 'shop',
      wait: 30_000,
      force: true,
      note: null,
      token: null,
    });
  });

  it('reports all that is wrong together, each with input, value, rule and remedy', () => {
    const error = problemsOf(() => readInputs(inputs, given({ wait: 'soon', force: 'yes' })));
    expect(error.problems.map((each) => each.input)).toEqual(['app', 'wait', 'force']);
    expect(error.message.split('\n')).toEqual([
      'Input `app` is required: 1 to 40 of `a-z`, `0-9`, `-`, not beginning or ending with `-`. Give it under `with:`.',
      'Input `wait`: "soon" is not a duration. Allowed: a duration such as `500ms`, `30s`, `5m`, from 0s to 24h. Change it under `with:`, or leave it out for the default `30s`.',
      'Input `force`: "yes" is not a YAML 1.2 boolean. Allowed: `true` or `false`. Change it under `with:`, or leave it out for the default `false`.',
    ]);
  });

  it('never shows a secret, nor a part of it', () => {
    const error = problemsOf(() => readInputs(inputs, given({ app: 'shop', token: 'HUNTER2' })));
    expect(error.message).toContain('`token`: *** is not of the allowed form');
    expect(error.message).not.toMatch(/hunter/i);
  });

  it('names characters that nobody can see', () => {
    const error = problemsOf(() => readInputs(inputs, given({ app: 'sh\u043ep\u200b' })));
    expect(error.message).toContain('does not have the allowed form (it contains U+043E, U+200B)');
  });

  it('shows a long value cut', () => {
    const error = problemsOf(() => readInputs(inputs, given({ app: 'x'.repeat(1_000_000) })));
    expect(error.message.length).toBeLessThan(400);
  });

  it('looks for contradictions only when every input is right by itself', () => {
    const check = () => [problem('note', 'contradicts `force`')];
    expect(problemsOf(() => readInputs(inputs, given({}), check)).problems.map((each) => each.input)).toEqual(['app']);
    expect(problemsOf(() => readInputs(inputs, given({ app: 'shop' }), check)).message).toBe(
      'Input `note`: contradicts `force`',
    );
  });

  it('does not hide a bug in a grammar behind a message to the user', () => {
    const broken: Inputs = {
      app: required({
        allowed: 'anything',
        parse: () => {
          throw new TypeError('a bug');
        },
      }),
    };
    expect(() => readInputs(broken, given({ app: 'x' }))).toThrow(TypeError);
  });
});

describe('redis-url', () => {
  const input = deploymentInputs['redis-url'];
  const parse = (raw: string) => readInputs({ 'redis-url': input }, () => raw);

  it.each([
    'redis://127.0.0.1:6379',
    'rediss://default:p%40ss@redis.example.org:6380/3',
    'redis://:secret@redis',
    'redis://[::1]:6379',
  ])('takes %s', (raw) => expect(parse(raw)).toEqual({ 'redis-url': raw }));

  it.each(['localhost:6379', 'http://redis', 'redis:///0', 'redis://redis/abc', 'redis://:100%@redis', 'redis://a b'])(
    'refuses %s without repeating it',
    (raw) => expect(problemsOf(() => parse(raw)).message).not.toContain(raw),
  );

  it('masks the password as written and as sent', () => {
    expect(input.masks('redis://user:p%40ss@redis')).toEqual(['p%40ss', 'p@ss']);
    expect(input.masks('redis://redis:6379')).toEqual([]);
  });

  it('masks the password of a URL that is refused', () => {
    for (const raw of ['redis://:100%@redis', 'redis://user:hunter2@red is', 'redis://user:hunter2@host:port'])
      expect(input.masks(raw).some((mask) => /100%|hunter2/.test(mask))).toBe(true);
  });
});
