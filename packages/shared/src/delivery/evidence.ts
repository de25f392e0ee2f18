import { UserError } from '../domain/errors.ts';
import type { Context, ImageFacts } from './ports.ts';

/**
 * Every named gate must have a passing verdict for this very image, by the registry's digest or by the image id.
 * Throws `UserError` that names what is missing.
 */
export async function requireEvidence(ctx: Context, image: ImageFacts, gates: readonly string[]): Promise<void> {
  if (gates.length === 0) return;
  const keys = [image.id, image.digest].filter((key) => key !== '');
  const evidence = (await Promise.all(keys.map((key) => ctx.registry.evidence(key)))).flat();
  const missing = gates.flatMap((gate) => {
    const verdicts = evidence.filter((each) => each.gate === gate).map((each) => each.verdict);
    if (verdicts.includes('pass') && !verdicts.includes('fail')) return [];
    return [`${gate} (${verdicts.length === 0 ? 'never ran for this image' : verdicts.join(', ')})`];
  });
  if (missing.length > 0) {
    throw new UserError(
      `The image ${image.digest || image.id} lacks passing evidence: ${missing.join('; ')}.`,
      'Run the gates on this very image before, with the same `redis-url`.',
    );
  }
}
