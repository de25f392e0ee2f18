import { runAction } from '@cd-actions/shared/action/run';
import type { Inputs } from './inputs.ts';
import { check, inputs } from './inputs.ts';
import type { Deps } from './main.ts';
import { outputs } from './outputs.ts';
import { summary } from './summary.ts';

void runAction({
  name: 'security-scan',
  inputs,
  check,
  outputs,
  summary,
  verdict: ({ scan, message }) => ({ verdict: scan.decision.verdict, message }),
  run: async (values, toolkit) => {
    const [{ main }, { errors, warnings }, { filesOf }, { jobFiles }] = await Promise.all([
      import('./main.ts'),
      import('./annotations.ts'),
      import('./files.ts'),
      import('@cd-actions/shared/action/files'),
    ]);
    const files = filesOf(toolkit.workspace, await jobFiles(toolkit.temp, 'security-scan'));
    const { log, signal } = toolkit;
    const docker = await dockerParts(values);
    try {
      const result = await main(values, { ...docker, ...files, log, signal, now: Date.now });
      for (const { message, title, line } of errors(result))
        log.error(message, { title, file: values.file, startLine: line });
      for (const warning of warnings(result)) log.warning(warning);
      return result;
    } finally {
      docker.close();
    }
  },
});

/** The engine is asked when an image is looked for: where it does not answer, that is the scan's result. */
async function dockerParts({
  offline,
}: Inputs): Promise<Pick<Deps, 'scanners' | 'findImage'> & { readonly close: () => void }> {
  const [{ connect }, { findImage, inspectImage }, { configAuth, readDockerConfig }, { openImage }, { policyScanner }] =
    await Promise.all([
      import('@cd-actions/shared/engine/connect'),
      import('@cd-actions/shared/engine/images'),
      import('@cd-actions/shared/engine/docker-config'),
      import('@cd-actions/shared/gates/scan/image-source'),
      import('@cd-actions/shared/gates/scan/policy/scanner'),
    ]);
  const connecting = (() => {
    let connection: ReturnType<typeof connect> | undefined;
    return () => (connection ??= connect(null));
  })();
  let close = (): void => undefined;
  return {
    scanners: [policyScanner(async (id, signal) => openImage((await connecting()).docker, id, signal), Date.now)],
    async findImage(reference) {
      const connection = await connecting();
      close = connection.close;
      const { docker, host } = connection;
      const found = offline
        ? await inspectImage(docker, host, reference)
        : await findImage(docker, host, reference, configAuth(readDockerConfig(process.env)));
      return found && { reference, id: found.id, digest: found.digest };
    },
    close: () => close(),
  };
}
