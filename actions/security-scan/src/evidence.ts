import type { Registry } from '@cd-actions/shared/delivery/ports';
import { findRelease } from '@cd-actions/shared/domain/deployment';
import type { DeploymentId } from '@cd-actions/shared/domain/names';
import { mainVersion } from '@cd-actions/shared/domain/traffic';
import type { Evidence } from '@cd-actions/shared/domain/verdict';
import { type Baseline, recall, remember } from '@cd-actions/shared/gates/scan/compare';
import type { Scan, ScannedImage } from '@cd-actions/shared/gates/scan/report';
import { OF_IMAGE } from './inputs.ts';

/** Under which name a scan is evidence: one that looked at the running candidate alone says nothing about what lies in the image. */
export function gateOf(engines: readonly string[]): 'security-scan' | 'zap-scan' {
  return engines.length > 0 && engines.every((engine) => !OF_IMAGE.some((name) => name === engine))
    ? 'zap-scan'
    : 'security-scan';
}

/** What the last scan of the live version found; null when nothing is live or it was never scanned. */
export async function baselineOf(
  registry: Pick<Registry, 'read' | 'evidence'>,
  id: DeploymentId,
  gate: string,
): Promise<Baseline | null> {
  const deployment = await registry.read(id);
  const version = deployment.traffic === null ? undefined : mainVersion(deployment.traffic.plan);
  const release = version === undefined ? undefined : findRelease(deployment, version);
  if (!release) return null;
  const keys = [release.imageId, release.digest].filter((key) => key !== '');
  const evidence = (await Promise.all(keys.map((key) => registry.evidence(key)))).flat();
  const last = evidence.filter((each) => each.gate === gate).sort((a, b) => Date.parse(b.at) - Date.parse(a.at))[0];
  const known = recall(last?.facts['known'] ?? '');
  return last && known ? { version: release.version, at: last.at, known } : null;
}

/**
 * The scan as evidence. One that could not fail whatever it found (`fail-on: none`) is proof of nothing, and is recorded as inconclusive.
 * @param reportDigest SHA-256 of the report file, hexadecimal.
 */
export function evidenceOf(scan: Scan, gate: string, reportDigest: string, runUrl: string): Evidence {
  const { decision, policy, runs, sbom } = scan;
  const ran = runs.filter((run) => run.status === 'ran');
  const notChecked = runs.flatMap((run) =>
    run.status === 'ran' ? run.notChecked.map((each) => `${run.engine}: ${each}`) : [`${run.engine}: did not run`],
  );
  const databases = ran.flatMap(({ engine, facts }) =>
    facts['database'] ? [[`${engine}-database`, facts['database']] as const] : [],
  );
  const judged = policy.failOn !== 'none';
  return {
    gate,
    verdict: !judged && decision.verdict === 'pass' ? 'inconclusive' : decision.verdict,
    at: scan.at,
    reportDigest,
    runUrl,
    facts: {
      engines: ran.map(({ engine, version }) => `${engine} ${version}`.trim()).join(', '),
      ...Object.fromEntries(databases),
      failOn: policy.failOn,
      newOnly: String(policy.newOnly ?? false),
      counts: JSON.stringify(decision.counts),
      notChecked: notChecked.join('; ').slice(0, 4_000),
      ...(sbom === null ? {} : { sbom: sbom.digest }),
      known: remember(decision.all),
    },
  };
}

/** Under the registry's digest and under the id: whoever asks may know only one of them. */
export async function record(
  registry: Pick<Registry, 'putEvidence'>,
  image: ScannedImage,
  evidence: Evidence,
): Promise<void> {
  for (const key of new Set([image.digest, image.id])) if (key !== '') await registry.putEvidence(key, evidence);
}
