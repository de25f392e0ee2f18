import { admitTarget, isOwn } from '@cd-actions/shared/gates/load/admission';
import { targetPattern } from '@cd-actions/shared/gates/load/targets';
import { describe, expect, it } from 'vitest';

const admit = (url: string, allowed: readonly string[], ...addresses: readonly string[]) =>
  admitTarget(new URL(url), allowed, async () => addresses.map((address) => ({ address, family: 4 })));

describe('a target may be loaded', () => {
  it.each(['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '::1', 'fd00::1', '::ffff:10.0.0.1'])(
    'at %s: own',
    (address) => {
      expect(isOwn(address)).toBe(true);
    },
  );

  it.each([
    '8.8.8.8',
    '172.32.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '2001:db8::1',
    'fe80::1',
    '::ffff:8.8.8.8',
  ])('at %s: not own', (address) => {
    expect(isOwn(address)).toBe(false);
  });

  it('when all of its addresses are own, or its name is given', async () => {
    expect(await admit('http://shop.internal/', [], '10.0.0.1')).toEqual([{ address: '10.0.0.1', family: 4 }]);
    await expect(admit('http://shop.example.com/', [], '10.0.0.1', '203.0.113.1')).rejects.toThrow(
      /203\.0\.113\.1.*not put under load/,
    );
    await expect(admit('http://shop.example.com/', ['shop.example.com'], '203.0.113.1')).resolves.toHaveLength(1);
    await expect(admit('http://a.shop.example.com/', ['*.shop.example.com'], '203.0.113.1')).resolves.toHaveLength(1);
    await expect(admit('http://evilshop.example.com/', ['*.shop.example.com'], '203.0.113.1')).rejects.toThrow();
    await expect(admit('http://shop.example.com.evil.org/', ['shop.example.com'], '203.0.113.1')).rejects.toThrow();
  });

  it('under a pattern that names no whole top-level domain', () => {
    expect(targetPattern.parse('*.Shop.example.com')).toBe('*.shop.example.com');
    for (const wrong of ['*', '*.com', 'http://a', 'a:80', 'a/b', 'a b', '-a'])
      expect(() => targetPattern.parse(wrong), wrong).toThrow();
  });
});
