import { UserError } from '../../../domain/errors.ts';
import type { Scanner } from '../scanner.ts';
import type { ImageContents } from './contents.ts';
import { POLICY, POLICY_VERSION, scanContents } from './scan.ts';

/**
 * The built-in scanner of an image: configuration, history and files against the rules of `rules.ts`. Needs no network and no database.
 * @param open gives the image by its reference; what it throws is why the scan could not be made.
 * @param now milliseconds since the epoch.
 */
export function policyScanner(
  open: (reference: string, signal: AbortSignal) => Promise<ImageContents>,
  now: () => number,
): Scanner {
  return {
    name: POLICY,
    version: POLICY_VERSION,
    async scan(target, signal) {
      if (target.image === '') throw new UserError('No image is given.', 'Give the input `image`.');
      return scanContents(await open(target.image, signal), { now: now(), signal });
    },
  };
}
