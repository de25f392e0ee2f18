import { exec } from '@actions/exec';

/**
 * Runs shell commands in `directory` as a workflow's `run` step does: `bash -e -o pipefail`, so that a failure in the middle or in a pipe
 * fails the whole. Resolves to the exit code.
 */
export function shellIn(
  directory: string,
): (command: string, environment: Readonly<Record<string, string>>) => Promise<number> {
  return (command, environment) =>
    exec('bash', ['--noprofile', '--norc', '-e', '-o', 'pipefail', '-c', command], {
      cwd: directory,
      env: { ...inherited(process.env), ...environment },
      ignoreReturnCode: true,
    });
}

/** Without the action's own inputs and state: a script has no business with the registry's password. */
function inherited(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || /^(INPUT|STATE)_/.test(name) ? [] : [[name, value]],
    ),
  );
}
