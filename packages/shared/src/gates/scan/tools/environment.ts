/** What any program needs to find its files, its network and its language. */
const COMMON = new Set([
  'PATH',
  'HOME',
  'USER',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'DOCKER_CONFIG',
]);

/** Where a tool's database comes from and where it lies, and what Java it runs on. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  trivy: ['TRIVY_CACHE_DIR', 'TRIVY_DB_REPOSITORY', 'TRIVY_JAVA_DB_REPOSITORY', 'TRIVY_USERNAME', 'TRIVY_PASSWORD'],
  grype: ['GRYPE_DB_CACHE_DIR', 'GRYPE_DB_UPDATE_URL', 'GRYPE_DB_CA_CERT'],
  zap: ['JAVA_HOME'],
};

/**
 * The environment of a scanner on this machine. The job's other variables stay here: `TRIVY_IGNORE_UNFIXED` or `GRYPE_EXCLUDE` would hide
 * findings from the gate, and a scanner has no use for the job's tokens (releases of scanners have been made to steal them).
 */
export function environmentOf(
  tool: string,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const own = OWN[tool] ?? [];
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => COMMON.has(name.toUpperCase()) || own.includes(name)),
  );
}
