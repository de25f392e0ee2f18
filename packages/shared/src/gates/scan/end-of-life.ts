import { type Finding, scoreWithin } from './finding.ts';

/** That the distribution of an image is out of support, by whichever engine knows. */
export function endOfLife(system: string, engine: string): Finding {
  return {
    id: 'OS-END-OF-LIFE',
    aliases: [],
    title: 'The distribution of the image gets no security updates any more',
    detail: system,
    description:
      'New vulnerabilities of its packages are neither fixed nor, often, listed: that few are found says nothing.',
    remedy: 'Build on a supported release of the base image.',
    severity: 'high',
    score: scoreWithin('high'),
    where: { kind: 'config', key: 'Distribution' },
    fixedVersion: '',
    references: [],
    engines: [engine],
  };
}
