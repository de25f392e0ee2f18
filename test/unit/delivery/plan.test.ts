import { InputError, readInputs } from '@cd-actions/shared/action/inputs';
import { besideInputs, checkTraffic, trafficInputs } from '@cd-actions/shared/action/traffic-inputs';
import { NO_FILES, plannedTraffic } from '@cd-actions/shared/delivery/plan';
import type { Deployment } from '@cd-actions/shared/domain/deployment';
import type { Target } from '@cd-actions/shared/domain/traffic';
import { describe, expect, it } from 'vitest';
import { aRelease, aTraffic } from '../../support/records.ts';

const read = (given: Record<string, string>) => readInputs(trafficInputs, (name) => given[name] ?? '', checkTraffic);
const readSwitch = (given: Record<string, string>) =>
  readInputs(
    { ...trafficInputs, ...besideInputs },
    (name) => given[name] ?? '',
    (values) => checkTraffic(values, values),
  );

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
      abandoned: [],
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

describe('a version that is given the weight 0', () => {
  const [v1, v2] = [aRelease('v1', 1), aRelease('v2', 2)];
  const shared: Deployment = {
    ...live({ version: 'v2', weight: 10 }, { version: 'v1', weight: 90 }),
    releases: [v2, v1],
  };
  const abandoned = (given: Record<string, string>) => plannedTraffic(readSwitch(given), shared).abandoned;

  it('is given up when it is newer than what stays, by name or in a whole plan', () => {
    expect(abandoned({ version: 'v2', weight: '0' })).toEqual(['v2']);
    expect(abandoned({ traffic: 'v2=0, v1=100' })).toEqual(['v2']);
  });

  it('is kept when it is the older one, or testers or a mirror still need it', () => {
    expect(abandoned({ version: 'v1', weight: '0' })).toEqual([]);
    expect(abandoned({ version: 'v2', weight: '0', 'match-header': 'X-Try=new' })).toEqual([]);
    expect(abandoned({ version: 'v2', weight: '0', mirror: 'v2=10' })).toEqual([]);
    expect(abandoned({ version: 'v2', weight: '5' })).toEqual([]);
  });
});

describe('maintenance', () => {
  const deployment = live({ version: 'v2', weight: 10 }, { version: 'v1', weight: 90 });
  const planned = (given: Record<string, string>, files = NO_FILES) =>
    plannedTraffic(readSwitch(given), deployment, files);

  it.each([
    ['on', 60],
    ['120s', 120],
    ['1500ms', 2],
  ])('%s closes the app and leaves the rest as it is', (maintenance, retryAfter) => {
    const { traffic } = deployment;
    expect(planned({ maintenance })).toEqual({
      route: traffic?.route,
      plan: { ...traffic?.plan, maintenance: { retryAfter } },
      abandoned: [],
    });
  });

  it('ends with off, and with any switch', () => {
    const closed: Deployment = { ...deployment, traffic: { generation: 2, ...planned({ maintenance: 'on' }) } };
    for (const given of [{ maintenance: 'off' }, { version: 'v2', weight: '10' }])
      expect(plannedTraffic(readSwitch(given), closed).plan).toEqual(deployment.traffic?.plan);
  });

  it('keeps the page that was given once', () => {
    const files = { template: null, maintenancePage: '<p>Soon' };
    const { route } = planned({ maintenance: 'on' }, files);
    expect(route.maintenancePage).toBe('<p>Soon');
    const later = { ...deployment, traffic: { generation: 2, ...planned({ maintenance: 'on' }, files) } };
    expect(plannedTraffic(readSwitch({ version: 'v2' }), later).route.maintenancePage).toBe('<p>Soon');
  });

  it('takes the live route again, and no other', () => {
    expect(planned({ maintenance: 'on', listen: '80' }).route).toEqual(deployment.traffic?.route);
    expect(() => planned({ maintenance: 'on', listen: '8080' })).toThrow(/`listen`/);
    expect(() => plannedTraffic(readSwitch({ maintenance: 'on' }), live())).toThrow(/no live traffic/);
  });
});

describe('a certificate', () => {
  const certified = { version: 'v1', 'tls-certificate': '/c.pem', 'tls-certificate-key': '/c.key' };
  const addresses = (given: Record<string, string>) => {
    const { listen, redirect } = plannedTraffic(read({ ...certified, ...given }), live()).route;
    return { listen, redirect };
  };

  it.each([
    [{}, { listen: ['443'], redirect: ['80'] }],
    [{ listen: '80,443' }, { listen: ['443'], redirect: ['80'] }],
    [{ listen: '443' }, { listen: ['443'] }],
    [
      { listen: '8080,8443', 'redirect-http': '8080' },
      { listen: ['8443'], redirect: ['8080'] },
    ],
    [{ listen: '10.0.0.1:80,10.0.0.1:443' }, { listen: ['10.0.0.1:443'], redirect: ['10.0.0.1:80'] }],
  ])('%j', (given, expected) => {
    expect(addresses(given as Record<string, string>)).toEqual(expected);
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
