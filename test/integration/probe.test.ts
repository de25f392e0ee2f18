import { bake } from '@cd-actions/shared/gates/probe/bake';
import { check } from '@cd-actions/shared/gates/probe/check';
import { runChecks } from '@cd-actions/shared/gates/probe/checks';
import { ask } from '@cd-actions/shared/gates/probe/http';
import { afterEach, describe, expect, it } from 'vitest';
import { realClock } from '../support/clock.ts';
import { CERTIFICATE, closedPort, type Fault, type FaultServer, startFaultServer } from '../support/fault-server.ts';

const servers: FaultServer[] = [];
const serve = async (fault: Fault, options: { tls?: boolean } = {}): Promise<FaultServer> => {
  const server = await startFaultServer(fault, options);
  servers.push(server);
  return server;
};
afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

describe('one request', () => {
  it('gives status, version, headers, body and time, each on a connection of its own', async () => {
    const server = await serve({ kind: 'json', body: { items: [1] } });
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask(new URL(server.url));
      expect(answer).toMatchObject({ status: 200, version: 'v1', body: '{"items":[1]}', failure: null, error: '' });
      expect(answer.milliseconds).toBeGreaterThan(0);
    }
    expect((await server.truth()).connections).toBe(3);
  });

  it.each<[string, Fault, string, RegExp]>([
    ['silence', { kind: 'silent' }, 'timeout', /did not answer in time/],
    [
      'a body that never ends in time',
      { kind: 'slow-body', pieces: 100, pause: 50 },
      'timeout',
      /did not answer in time/,
    ],
    ['a reset', { kind: 'reset', every: 1 }, 'reset', /closed the connection without an answer/],
    ['a body that breaks off', { kind: 'cut-body' }, 'aborted', /broke off in the middle/],
    ['another protocol', { kind: 'garbage' }, 'protocol', /did not answer in HTTP/],
  ])('says what happened: %s', async (_what, fault, failure, words) => {
    const { url } = await serve(fault);
    const answer = await ask(new URL(url), { timeout: 400 });
    expect(answer.failure).toBe(failure);
    expect(answer.error).toMatch(words);
    expect(answer.milliseconds).toBeLessThan(1500);
  });

  it('explains a refused connection, an unknown name and a certificate that is not trusted', async () => {
    expect((await ask(new URL(`http://127.0.0.1:${await closedPort()}`))).error).toMatch(/nothing listens there/);
    expect((await ask(new URL('http://no-such-host.invalid'))).error).toMatch(/cannot be resolved/);
    const { url } = await serve({ kind: 'constant', delay: 0 }, { tls: true });
    expect(await ask(new URL(url))).toMatchObject({
      failure: 'tls',
      error: expect.stringMatching(/self-signed; give its CA/),
    });
    expect(await ask(new URL(url), { ca: CERTIFICATE })).toMatchObject({ status: 200 });
    expect((await ask(new URL(url.replace('https', 'http')))).failure).not.toBeNull();
  });

  it('keeps a bounded part of the body, follows no redirect, and ends when aborted', async () => {
    const large = await serve({ kind: 'json', body: 'x'.repeat(2_000_000) });
    const answer = await ask(new URL(large.url));
    expect(answer).toMatchObject({ truncated: true, status: 200 });
    expect(answer.body).toHaveLength(1_048_576);
    const redirect = await serve({ kind: 'status', status: 302 });
    expect((await ask(new URL(redirect.url))).status).toBe(302);
    const silent = await serve({ kind: 'silent' });
    await expect(ask(new URL(silent.url), { signal: AbortSignal.timeout(100) })).rejects.toThrow(/timeout/);
  });
});

const checks = [check.parse('GET / 200'), check.parse('GET /other 200 body:/ok/')];
const always = { clock: realClock, signal: new AbortController().signal, timeout: 2000 };

it('checks report each for itself, with the version that answered', async () => {
  const { url } = await serve({ kind: 'constant', delay: 0 });
  const results = await runChecks(url, [check.parse('GET / 200'), check.parse('GET / 404 body:/no/')]);
  expect(results.map(({ passed, version, reasons }) => ({ passed, version, reasons }))).toEqual([
    { passed: true, version: 'v1', reasons: [] },
    { passed: false, version: 'v1', reasons: ['status 200 instead of 404', 'the body does not contain "no"'] },
  ]);
});

describe('a bake', () => {
  it('of no duration checks once', async () => {
    const { url } = await serve({ kind: 'constant', delay: 0 });
    const result = await bake({ ...always, url, checks, duration: 0, expectVersion: 'v1' });
    expect(result).toMatchObject({
      verdict: 'pass',
      checked: 2,
      failed: 0,
      rounds: 1,
      servedVersions: { v1: 2 },
      successRate: 1,
    });
  });

  it('repeats until the duration is over and checks at its end, too', async () => {
    const { url } = await serve({ kind: 'constant', delay: 0 });
    const result = await bake({ ...always, url, checks, duration: 500, interval: 100 });
    expect(result.verdict).toBe('pass');
    expect(result.duration).toBeGreaterThanOrEqual(499);
    expect(result.rounds).toBeGreaterThanOrEqual(2);
    expect(result.rounds).toBeLessThanOrEqual(6);
    expect(result.perCheck.map((each) => each.checked)).toEqual([result.rounds, result.rounds]);
  });

  it('ends as soon as there are too many failures, and shows the first', async () => {
    const { url } = await serve({ kind: 'status', status: 500 });
    const begun = performance.now();
    const result = await bake({ ...always, url, checks, duration: 60_000, interval: 50, maxFailures: 3 });
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(result).toMatchObject({ verdict: 'fail', failed: 4, checked: 4, stoppedEarly: true });
    expect(result.message).toMatch(/4 of 4 checks failed\. First: GET \/ 200: status 500 instead of 200/);
    expect(result.failures[0]).toMatchObject({ status: 500, excerpt: 'as told' });
  });

  it('with a success rate goes on to the end and then decides', async () => {
    const { url } = await serve({ kind: 'reset', every: 4 });
    const one = [check.parse('GET / 200')];
    const result = await bake({ ...always, url, checks: one, duration: 400, interval: 25, minSuccessRate: 0.9 });
    expect(result).toMatchObject({ verdict: 'fail', stoppedEarly: false });
    expect(result.successRate).toBeLessThan(0.9);
    expect(result.message).toMatch(/^Only .* of the checks passed, not 90 %/);
  });

  it('fails when another version answers, unless a share of others is allowed', async () => {
    const { url } = await serve({ kind: 'versions', versions: ['v1', 'v2'] });
    const options = { ...always, url, checks, duration: 0, maxFailures: 100, expectVersion: 'v2' };
    const strict = await bake({ ...options, maxFailures: 0 });
    expect(strict).toMatchObject({
      verdict: 'fail',
      message: expect.stringContaining('version v1 answered instead of v2'),
    });
    const many = Array.from({ length: 40 }, () => check.parse('GET / 200'));
    expect((await bake({ ...options, checks: many, otherVersions: 0.5 })).verdict).toBe('pass');
    const canary = await bake({ ...options, checks: many, otherVersions: 0.1 });
    expect(canary).toMatchObject({ verdict: 'fail', servedVersions: { v1: 20, v2: 20 } });
    expect(canary.message).toMatch(/20 of 40 answers came from other versions than v2; 10 % is allowed/);
  });

  it('fails against a target that is down, is inconclusive with nothing to check, and ends when aborted', async () => {
    const url = `http://127.0.0.1:${await closedPort()}/`;
    expect(await bake({ ...always, url, checks, duration: 0 })).toMatchObject({ verdict: 'fail', servedVersions: {} });
    expect((await bake({ ...always, url, checks: [], duration: 0 })).verdict).toBe('inconclusive');
    const { url: up } = await serve({ kind: 'constant', delay: 0 });
    const signal = AbortSignal.timeout(200);
    await expect(bake({ ...always, url: up, checks, duration: 60_000, signal })).rejects.toThrow(/timeout/);
  });
});
