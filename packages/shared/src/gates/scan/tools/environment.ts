/**
 * The environment of a scanner on this machine: everything but its own settings. A `TRIVY_IGNORE_UNFIXED` or `GRYPE_EXCLUDE` of the job
 * would hide findings from the gate; where a database comes from and where it lies is left to the user.
 */
export function environmentOf(
  tool: string,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const prefix = `${tool.toUpperCase()}_`;
  const kept = KEPT[tool] ?? [];
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith('INPUT_') && (!name.startsWith(prefix) || kept.includes(name)),
    ),
  );
}

const KEPT: Readonly<Record<string, readonly string[]>> = {
  trivy: ['TRIVY_CACHE_DIR', 'TRIVY_DB_REPOSITORY', 'TRIVY_JAVA_DB_REPOSITORY', 'TRIVY_USERNAME', 'TRIVY_PASSWORD'],
  grype: ['GRYPE_DB_CACHE_DIR', 'GRYPE_DB_UPDATE_URL', 'GRYPE_DB_CA_CERT'],
  zap: [],
};
