import {
  gaining,
  mainVersion,
  shift,
  type Target,
  type TrafficPlan,
  versionsIn,
  weightOf,
} from '@cd-actions/shared/domain/traffic';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const plan = (targets: readonly Target[]): TrafficPlan => ({
  targets,
  rules: [],
  sticky: true,
  mirror: null,
  maintenance: null,
});
const sum = (targets: readonly Target[]) => targets.reduce((total, target) => total + target.weight, 0);

/** The version of each of the 100 buckets, as `split_clients` deals them. */
const buckets = (targets: readonly Target[]): readonly string[] =>
  targets.flatMap((target) => Array<string>(target.weight).fill(target.version));

/** Plans as they come to be: weights that sum to 100 over up to five versions. */
const plans: fc.Arbitrary<readonly Target[]> = fc
  .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 4 })
  .map((cuts) => {
    const edges = [0, ...cuts.sort((a, b) => a - b), 100];
    return edges.slice(1).map((edge, index) => ({ version: `v${index}`, weight: edge - (edges[index] ?? 0) }));
  });
const percent = fc.integer({ min: 0, max: 100 });

describe('shift', () => {
  it('gives a first version everything', () => {
    expect(shift(null, 'v1', 5)).toEqual([{ version: 'v1', weight: 100 }]);
  });

  it('puts a new version in front, so that its share begins at bucket 0', () => {
    expect(shift(plan([{ version: 'v1', weight: 100 }]), 'v2', 5)).toEqual([
      { version: 'v2', weight: 5 },
      { version: 'v1', weight: 95 },
    ]);
  });

  it('takes from the others in proportion', () => {
    const current = plan([
      { version: 'v2', weight: 30 },
      { version: 'v1', weight: 70 },
    ]);
    expect(shift(current, 'v3', 10)).toEqual([
      { version: 'v3', weight: 10 },
      { version: 'v2', weight: 27 },
      { version: 'v1', weight: 63 },
    ]);
  });

  it('ends at exactly nothing: an aborted canary is gone from the plan', () => {
    const current = plan([
      { version: 'v2', weight: 25 },
      { version: 'v1', weight: 75 },
    ]);
    expect(shift(current, 'v2', 0)).toEqual([{ version: 'v1', weight: 100 }]);
    expect(shift(current, 'v2', 100)).toEqual([{ version: 'v2', weight: 100 }]);
  });

  it('cannot take the last version away', () => {
    expect(shift(plan([{ version: 'v1', weight: 100 }]), 'v1', 0)).toEqual([{ version: 'v1', weight: 100 }]);
  });

  it('gives the asked weight, sums to 100 and holds no empty share, whatever stood before', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom('v0', 'v1', 'v4', 'new'), percent, (targets, version, weight) => {
        const next = shift(plan(targets), version, weight);
        expect(sum(next)).toBe(100);
        expect(next.every((target) => target.weight > 0)).toBe(true);
        expect(new Set(next.map((target) => target.version)).size).toBe(next.length);
        const others = targets.some((target) => target.version !== version);
        expect(weightOf(plan(next), version)).toBe(others ? weight : 100);
      }),
    );
  });

  it('never takes a version from a user while its weight grows, wherever it stands', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom('v0', 'v1', 'v2', 'v4', 'new'), percent, (targets, version, weight) => {
        fc.pre(weight >= weightOf(plan(targets), version));
        const before = buckets(targets);
        const after = buckets(shift(plan(targets), version, weight));
        const taken = before.filter((held, bucket) => held === version && after[bucket] !== version);
        expect(taken).toEqual([]);
      }),
    );
  });

  it('gives a version to nobody new while its weight falls', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom('v0', 'v1', 'v2', 'v4'), percent, (targets, version, weight) => {
        fc.pre(weight <= weightOf(plan(targets), version) && targets.length > 1);
        const before = buckets(targets);
        const after = buckets(shift(plan(targets), version, weight));
        const given = after.filter((held, bucket) => held === version && before[bucket] !== version);
        expect(given).toEqual([]);
      }),
    );
  });

  it('keeps its users through a whole rise in steps', () => {
    fc.assert(
      fc.property(plans, fc.uniqueArray(percent, { minLength: 2, maxLength: 8 }), (targets, steps) => {
        let current = targets;
        for (const weight of steps.sort((a, b) => a - b)) {
          const next = shift(plan(current), 'new', weight);
          const after = buckets(next);
          expect(buckets(current).every((held, bucket) => held !== 'new' || after[bucket] === 'new')).toBe(true);
          current = next;
        }
      }),
    );
  });
});

describe('versionsIn', () => {
  it('names every version that a request can reach: by weight, by rule, by mirror', () => {
    expect(
      versionsIn({
        ...plan([
          { version: 'v2', weight: 0 },
          { version: 'v1', weight: 100 },
        ]),
        rules: [{ kind: 'header', name: 'X-Try', value: '1', version: 'v3' }],
        mirror: { version: 'v4', share: 10 },
      }),
    ).toEqual(['v1', 'v3', 'v4']);
  });
});

describe('mainVersion and gaining', () => {
  const canary = plan([
    { version: 'v2', weight: 10 },
    { version: 'v1', weight: 90 },
  ]);
  const half = plan([
    { version: 'v2', weight: 50 },
    { version: 'v1', weight: 50 },
  ]);

  it('tell the version that most users get from the one that a change is about', () => {
    expect(mainVersion(canary)).toBe('v1');
    expect(gaining(plan([{ version: 'v1', weight: 100 }]), canary)?.version).toBe('v2');
    expect(gaining(half, canary)?.version).toBe('v1');
    expect(gaining(null, canary)?.version).toBe('v1');
    expect(gaining(canary, canary)?.version).toBe('v1');
    expect(mainVersion(plan([]))).toBeUndefined();
  });
});
