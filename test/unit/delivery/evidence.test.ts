import { readInputs } from '@cd-actions/shared/action/inputs';
import { register } from '@cd-actions/shared/delivery/register';
import type { Evidence } from '@cd-actions/shared/domain/verdict';
import { beforeEach, describe, expect, it } from 'vitest';
import { check, inputs } from '../../../actions/switch-traffic/src/inputs.ts';
import { main } from '../../../actions/switch-traffic/src/main.ts';
import { aFakeRegistration, delivered, type FakeWorld, fakeWorld, id } from '../../support/fake-world.ts';

const HOUR = 3_600_000;
const scanned = (verdict: Evidence['verdict'], hoursAgo = 0): Evidence => ({
  gate: 'security-scan',
  verdict,
  at: new Date(Date.now() - hoursAgo * HOUR).toISOString(),
  reportDigest: '',
  facts: {},
  runUrl: '',
});

describe('evidence that is required', () => {
  let world: FakeWorld;
  let image: string;

  beforeEach(async () => {
    world = await fakeWorld();
    await delivered(world, ['1', '2'], '1');
    image = (await world.registry.read(id)).releases.find(({ version }) => version === '2')?.imageId ?? '';
  });

  const switching = (given: Record<string, string>) => {
    const all = { app: 'shop', version: '2', steps: '100', 'require-evidence': 'security-scan', ...given };
    const values = readInputs(inputs, (name) => all[name as keyof typeof all] ?? '', check);
    const files = { read: () => Promise.reject(new Error('none')), save: () => Promise.resolve() };
    return main(values, { context: world.context(), ...files });
  };
  const weights = async () => (await world.registry.read(id)).traffic?.plan.targets.filter(({ weight }) => weight > 0);

  it.each<[string, Evidence | null, string]>([
    ['nobody has scanned', null, 'never ran for this image'],
    ['failed', scanned('fail'), '(fail)'],
    ['nobody could scan', scanned('inconclusive'), '(inconclusive)'],
    ['was scanned too long ago', scanned('pass', 25), 'longer ago than 24h'],
  ])('keeps a version whose image %s from getting traffic, and nothing moves', async (_, evidence, reason) => {
    if (evidence) await world.registry.putEvidence(image, evidence);
    await expect(switching({ 'evidence-max-age': '24h' })).rejects.toThrow(reason);
    expect(await weights()).toEqual([{ version: '1', weight: 100 }]);
    expect(await world.disorder()).toEqual([]);
  });

  it('lets one pass whose image did', async () => {
    await world.registry.putEvidence(image, scanned('pass', 23));
    await switching({ 'evidence-max-age': '24h' });
    expect(await weights()).toEqual([{ version: '2', weight: 100 }]);
  });

  it('keeps an image from being started, and leaves nothing behind', async () => {
    await world.registry.putEvidence(image, scanned('pass', 25));
    const request = { ...aFakeRegistration('3'), requireEvidence: ['security-scan'], evidenceMaxAge: 24 * HOUR };
    await expect(register(world.context(), request)).rejects.toThrow('longer ago than 24h');
    expect((await world.registry.read(id)).releases.map(({ version }) => version)).not.toContain('3');
    expect(await world.disorder()).toEqual([]);
  });
});
