import { requireEvidence, requireEvidenceOfPlan } from '@cd-actions/shared/delivery/evidence';
import type { Registry } from '@cd-actions/shared/delivery/ports';
import type { Evidence } from '@cd-actions/shared/domain/verdict';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { summary } from '../../actions/security-scan/src/summary.ts';
import { ToolBox } from '../fixtures/scan/bin.ts';
import { TestImages } from '../fixtures/scan/images.ts';
import { scan, sha256 } from '../fixtures/scan/run.ts';
import { parts } from '../support/parts.ts';
import { aHolder, aRelease, aTraffic } from '../support/records.ts';
import { connect, id, server, stopAll } from '../support/registry.ts';

const DAY = 86_400_000;
const DOCKERFILE = (extra = '') =>
  `FROM scratch\nCOPY server /server\n${extra}USER 10001:10001\nHEALTHCHECK CMD ["/server"]\nCMD ["/server"]`;
const SETTINGS = 'ENV DB_PASSWORD=Tr0ub4dor3-horse\n';
const CONSOLE = 'EXPOSE 22\n';
const FILES = [{ path: 'server', mode: 0o755, content: 'ELF\0' }];
const REDIS = { 'redis-url': 'redis://127.0.0.1', scanners: 'policy' };

describe.skipIf(!parts.docker || !parts.redis)('evidence of a scan, in a real registry', () => {
  let images: TestImages;
  let clean: string;
  let bad: string;
  let worse: string;
  let registry: Registry;
  let stopRedis: () => Promise<void>;
  const clock = { now: () => Date.now(), sleep: () => Promise.resolve() };

  beforeAll(async () => {
    images = await TestImages.on(parts.docker?.socket ?? '');
    clean = await images.build(DOCKERFILE(), FILES);
    bad = await images.build(DOCKERFILE(SETTINGS), FILES);
    worse = await images.build(DOCKERFILE(`${SETTINGS}ENV API_TOKEN=k3yb04rd-c4t-9\n${CONSOLE}`), FILES);
  });
  beforeEach(async () => {
    const redis = await server();
    stopRedis = () => redis.kill();
    registry = connect(redis.url);
  });
  afterEach(stopAll);
  afterAll(() => images?.close());

  const idOf = async (image: string) => (await images.docker.getImage(image).inspect()).Id;
  const imageOf = async (image: string) => ({ id: await idOf(image), digest: '' });
  const evidenceOf = async (image: string): Promise<Evidence | undefined> =>
    (await registry.evidence(await idOf(image)))[0];

  async function live(image: string, version: string): Promise<void> {
    const acquired = await registry.acquire(id, aHolder('1'), 5_000);
    if (!('lease' in acquired)) throw new Error('the lease is held');
    const release = { ...aRelease(version, 1), imageId: await idOf(image), digest: '' };
    await registry.write(id, acquired.lease, { releases: [release], traffic: aTraffic(1, version) });
    await registry.release(id, acquired.lease);
  }

  it('is what require-evidence stands on: by digest and by id, with versions, dates and the digest of the report', async () => {
    const { written, scan: result } = await scan(images, clean, REDIS, { registry });
    expect(result.decision.verdict).toBe('pass');
    const evidence = await evidenceOf(clean);
    expect(evidence).toMatchObject({
      gate: 'security-scan',
      verdict: 'pass',
      reportDigest: sha256(written['security-scan.json'] ?? ''),
      runUrl: 'https://github.example/run/1',
      facts: { engines: 'policy 1.0.0', failOn: 'high' },
    });
    await requireEvidence({ registry, clock }, await imageOf(clean), ['security-scan']);
    const pushed = { id: await idOf(clean), digest: `sha256:${'d'.repeat(64)}` };
    await requireEvidence({ registry, clock }, pushed, ['security-scan']);
  });

  it.each<[string, () => string, Record<string, string>, string]>([
    ['never scanned', () => '', {}, 'never ran for this image'],
    ['that failed', () => bad, {}, '(fail)'],
    ['whose scan could not fail whatever it found', () => bad, { 'fail-on': 'none' }, '(inconclusive)'],
    ['that an engine that was asked for did not look at', () => clean, { scanners: 'policy,grype' }, '(inconclusive)'],
  ])('refuses an image %s', async (_, image, given, reason) => {
    if (image() !== '') await scan(images, image(), { ...REDIS, ...given }, { registry });
    const asked = requireEvidence({ registry, clock }, await imageOf(image() || clean), ['security-scan']);
    await expect(asked).rejects.toThrow(reason);
  });

  it('refuses evidence that is too old, and takes what is not', async () => {
    await scan(images, clean, REDIS, { registry, now: Date.now() - 8 * DAY });
    const ask = async (maxAge: number) =>
      requireEvidence({ registry, clock }, await imageOf(clean), ['security-scan'], maxAge);
    await expect(ask(7 * DAY)).rejects.toThrow(/passed at \S+, which is longer ago than 168h/);
    await ask(9 * DAY);
    await ask(0);
  });

  it('counts the last verdict, whichever of digest and id it is under', async () => {
    await scan(images, bad, REDIS, { registry, now: Date.now() - DAY });
    const failed = await evidenceOf(bad);
    const digest = `sha256:${'e'.repeat(64)}`;
    await registry.putEvidence(digest, { ...(failed as Evidence), verdict: 'pass', at: new Date().toISOString() });
    const ask = async () => requireEvidence({ registry, clock }, { id: await idOf(bad), digest }, ['security-scan']);
    await ask();
    await scan(images, bad, REDIS, { registry });
    await expect(ask()).rejects.toThrow('(fail)');
  });

  it('is asked of every version that a switch gives more traffic, and of no other', async () => {
    await live(bad, '1.0.0');
    const demand = { gates: ['security-scan'], maxAge: 0 };
    const switching = (version: string) =>
      requireEvidenceOfPlan({ registry, clock, id }, () => ({ plan: aTraffic(2, version).plan }), demand);
    await switching('1.0.0');
    const acquired = await registry.acquire(id, aHolder('1'), 5_000);
    if (!('lease' in acquired)) throw new Error('the lease is held');
    const release = { ...aRelease('2.0.0', 2), imageId: await idOf(clean), digest: '' };
    await registry.write(id, acquired.lease, { releases: [release] });
    await expect(switching('2.0.0')).rejects.toThrow('never ran for this image');
    await scan(images, clean, REDIS, { registry });
    await switching('2.0.0');
  });

  it('that cannot be recorded makes no pass', async () => {
    await stopRedis();
    const { scan: result, message, written } = await scan(images, clean, REDIS, { registry });
    expect(result.decision.verdict).toBe('inconclusive');
    expect(message).toContain('The evidence could not be recorded');
    expect(JSON.parse(written['security-scan.json'] ?? '').verdict).toBe('inconclusive');
  });

  it('of a look at the running candidate that could not be had leaves the evidence about the image alone', async () => {
    await scan(images, clean, REDIS, { registry });
    const given = { ...REDIS, scanners: 'zap', 'target-url': 'http://127.0.0.1:1/' };
    await scan(images, clean, given, { registry });
    await requireEvidence({ registry, clock }, await imageOf(clean), ['security-scan']);
  });

  it('of a look at the running candidate alone is none about the image', async () => {
    const box = new ToolBox();
    box.script('zap.sh', 'exit 9');
    const given = { ...REDIS, scanners: 'zap', 'target-url': 'http://127.0.0.1:1/' };
    await scan(images, clean, given, { registry, env: box.env() });
    box.close();
    expect(await evidenceOf(clean)).toMatchObject({ gate: 'zap-scan', verdict: 'inconclusive' });
    const asked = requireEvidence({ registry, clock }, await imageOf(clean), ['security-scan']);
    await expect(asked).rejects.toThrow('never ran for this image');
  });

  describe('compared with the live version', () => {
    const given = { ...REDIS, app: 'shop', 'fail-on-new-only': 'true' };

    it('says what is new, fixed and unchanged, and fails on what is new', async () => {
      await scan(images, bad, REDIS, { registry });
      await live(bad, '1.0.0');
      const { scan: result, written, message, ...rest } = await scan(images, worse, given, { registry });
      const { comparison } = JSON.parse(written['security-scan.json'] ?? '');
      expect(comparison).toMatchObject({
        version: '1.0.0',
        new: [
          { id: 'CD011', where: 'config Env.API_TOKEN' },
          { id: 'CD041', where: 'config ExposedPorts.22/tcp' },
        ],
        fixed: [],
      });
      expect(result.decision.failing.map(({ where }) => where)).toEqual([{ kind: 'config', key: 'Env.API_TOKEN' }]);
      expect(message).toBe('1 new finding of severity high or worse.');
      expect(summary({ scan: result, message, ...rest })).toContain('Against the live version 1.0.0');
    });

    it('passes what is not worse, and names what is fixed', async () => {
      await scan(images, worse, REDIS, { registry });
      await live(worse, '1.0.0');
      const { scan: result, message } = await scan(images, bad, given, { registry });
      expect(result.decision.verdict).toBe('pass');
      expect(result.decision.comparison?.fixed.map(({ id: rule, place }) => `${rule} ${place}`)).toEqual([
        'CD011 config Env.API_TOKEN',
        'CD041 config ExposedPorts.22/tcp',
      ]);
      expect(message).toMatch(/none new and high or worse/);
    });

    it.each<[string, () => Promise<unknown>]>([
      ['nothing is live', async () => undefined],
      ['the live version was never scanned', () => live(bad, '1.0.0')],
      [
        'what is remembered of its scan cannot be read',
        async () => {
          await scan(images, bad, REDIS, { registry });
          const last = (await evidenceOf(bad)) as Evidence;
          await registry.putEvidence(await idOf(bad), { ...last, facts: { ...last.facts, known: 'AAAA' } });
          await live(bad, '1.0.0');
        },
      ],
    ])('takes everything for new when %s', async (_, prepare) => {
      await prepare();
      const { scan: result, said } = await scan(images, bad, given, { registry });
      expect(result.decision).toMatchObject({ verdict: 'fail', comparison: null });
      expect(said.join()).toContain('all findings count as new');
    });
  });
});
