import { InputError, readInputs } from '@cd-actions/shared/action/inputs';
import { checkTraffic, trafficInputs } from '@cd-actions/shared/action/traffic-inputs';
import { plannedTraffic } from '@cd-actions/shared/delivery/plan';
import type { Deployment } from '@cd-actions/shared/domain/deployment';
import type { Target } from '@cd-actions/shared/domain/traffic';
import { describe, expect, it } from 'vitest';
import { aTraffic } from '../../support/records.ts';

const read = (given: Record<string, string>) => readInputs(trafficInputs, (name) => given[name] ?? '', checkTraffic);

/** A deployment whose traffic is shared as said. */
const live = (...targets: readonly Target[]): Deployment => {
  const traffic = aTraffic(1, 'v1');
  return {
    id: 'shop@production',
    releases: [],
    traffic: targets.length === 0 ? null : { ...traffic, plan: { ...traffic.plan, targets } },
    journal: null,
  };
};

const targetsFor = (given: Record<string, string>, deployment: Deployment): string =>
  plannedTraffic(read(given), deployment)
    .plan.targets.map(({ version, weight }) => `${version}=${weight}`)
    .join(' ');

describe('the traffic that inputs ask for', () => {
  it('is all of it for the one version, when nothing else is said', () => {
    expect(plannedTraffic(read({ version: 'v2' }), live({ version: 'v1', weight: 100 }))).toEqual({
      route: { listen: ['80'], serverName: ['_'], pathPrefix: '/', tls: null, template: null },
      plan: { targets: [{ version: 'v2', weight: 100 }], rules: [], sticky: true, mirror: null, maintenance: null },
    });
  });

  it('shares what a canary leaves among the others, the canary first', () => {
    expect(targetsFor({ version: 'v2', weight: '10' }, live({ version: 'v1', weight: 100 }))).toBe('v2=10 v1=90');
  });

  it('keeps versions in their places, so that nobody is moved for the order of the lines', () => {
    const deployment = live({ version: 'v2', weight: 10 }, { version: 'v1', weight: 90 });
    expect(targetsFor({ traffic: 'v1=80\nv2=20' }, deployment)).toBe('v2=20 v1=80');
    expect(targetsFor({ traffic: 'v1=75, v3=5, v2=20' }, deployment)).toBe('v3=5 v2=20 v1=75');
  });

  it('takes a version out at weight 0, if another one has traffic', () => {
    const deployment = live({ version: 'v2', weight: 10 }, { version: 'v1', weight: 90 });
    expect(targetsFor({ version: 'v2', weight: '0' }, deployment)).toBe('v1=100');
    expect(() => targetsFor({ version: 'v1', weight: '0' }, live({ version: 'v1', weight: 100 }))).toThrow(/weight 0/);
  });

  it('sends testers to the version, or to the first of a whole plan', () => {
    const rules = (given: Record<string, string>) => plannedTraffic(read(given), live()).plan.rules;
    expect(rules({ version: 'v2', 'match-header': 'X-Try=yes' })).toEqual([
      { kind: 'header', name: 'X-Try', value: 'yes', version: 'v2' },
    ]);
    expect(rules({ traffic: 'v2=0,v1=100', 'match-cookie': 'try=1' })).toEqual([
      { kind: 'cookie', name: 'try', value: '1', version: 'v2' },
    ]);
  });
});

describe('traffic inputs that contradict each other', () => {
  const problems = (given: Record<string, string>): readonly string[] => {
    try {
      read(given);
      return [];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return error.problems.map(({ input }) => input);
    }
  };

  it.each([
    [{}, ['version']],
    [{ version: 'v1', traffic: 'v1=100' }, ['traffic']],
    [{ traffic: 'v1=100', weight: '10' }, ['weight']],
    [{ version: 'v1', 'tls-certificate': '/a.pem' }, ['tls-certificate']],
    [{ version: 'v1', template: 'nginx.mustache' }, ['template']],
    [{ traffic: 'v1=50\nv2=40' }, ['traffic']],
    [{ traffic: 'v1=50\nv1=50' }, ['traffic']],
    [
      { version: 'v1', listen: '80;', 'server-name': 'a b', 'path-prefix': 'x' },
      ['listen', 'server-name', 'path-prefix'],
    ],
    [{ version: 'v1', listen: '1.2.3.400:80' }, ['listen']],
  ] as [Record<string, string>, string[]][])('%j', (given, expected) => {
    expect(problems(given)).toEqual(expected);
  });
});
