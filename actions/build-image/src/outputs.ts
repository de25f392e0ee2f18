import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { BuildResult } from './main.ts';

export const outputs: Outputs<BuildResult> = {
  image: (result) => result.image,
  'image-id': (result) => result.imageId,
  digest: (result) => result.digest,
  version: (result) => result.version,
  tags: (result) => result.tags.join('\n'),
  size: (result) => result.size ?? '',
  metadata: (result) => JSON.stringify(result),
};

/** The table of the job summary. */
export function summary(result: BuildResult): string {
  const rows: readonly (readonly [string, string])[] = [
    ['Image', code(result.image)],
    ['Version', code(result.version)],
    ['Tags', result.tags.map(code).join('<br>')],
    ['Digest', result.digest === '' ? 'not pushed' : code(result.digest)],
    ['Image id', result.imageId === '' ? 'in the registry alone' : code(result.imageId)],
    ['Size', result.size === null ? 'unknown' : `${(result.size / 1_000_000).toFixed(1)} MB`],
    ['Platforms', result.platforms.length === 0 ? "the engine's own" : result.platforms.join(', ')],
    ['Builder', result.builder],
    ['Revision', result.revision === '' ? 'unknown' : code(result.revision)],
    ['Took', `${(result.durationMs / 1000).toFixed(1)} s`],
  ];
  return ['### Image', '', '| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

/** Every value here is held to a grammar without backticks or bars. */
const code = (value: string): string => `\`${value}\``;
