import { runAction, type Toolkit } from '@cd-actions/shared/action/run';
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
    const [{ main }, { errors, warnings }] = await Promise.all([import('./main.ts'), import('./annotations.ts')]);
    const { log } = toolkit;
    const { deps, close } = await compose(values, toolkit);
    try {
      const result = await main(values, deps);
      for (const { message, title, line } of errors(result))
        log.error(message, { title, file: values.file, startLine: line });
      for (const warning of warnings(result)) log.warning(warning);
      return result;
    } finally {
      await close();
    }
  },
});

async function compose(values: Inputs, toolkit: Toolkit): Promise<{ deps: Deps; close: () => Promise<void> }> {
  const [
    { filesOf, sbomKeeper, temporary },
    { jobFiles },
    { policyScanner },
    { openImage },
    { exportImage, toolScanners },
  ] = await Promise.all([
    import('./files.ts'),
    import('@cd-actions/shared/action/files'),
    import('@cd-actions/shared/gates/scan/policy/scanner'),
    import('@cd-actions/shared/gates/scan/image-source'),
    import('./tools.ts'),
  ]);
  const { log, run, signal, temp, workspace } = toolkit;
  const files = filesOf(workspace, await jobFiles(temp, 'security-scan'));
  const engine = await dockerParts(values);
  const large = await temporary(temp);
  const sbom = sbomKeeper((text) => files.write(values['sbom-file'], 'sbom.cdx.json', text));
  const registry = await registryOf(values);
  const tools = {
    docker: engine.docker,
    hasImage: engine.hasImage,
    read: files.read,
    onSbom: sbom.keep,
    cachePrefix: 'cd-scan',
    temp: large.path,
    env: process.env,
    now: Date.now,
  };
  const policy = policyScanner(async (id, aborted) => openImage(await engine.docker(), id, aborted), Date.now);
  const external = toolScanners(values, tools);
  const deps: Deps = {
    ...files,
    scanners: [policy, ...external.scanners],
    findImage: engine.findImage,
    exportImage: async (id, aborted) => exportImage(await engine.docker(), id, large.path, aborted),
    sbom: sbom.kept,
    registry,
    runUrl: run.url,
    log,
    signal,
    now: Date.now,
  };
  const close = async (): Promise<void> => {
    await external.settled();
    await large.remove();
    await registry?.close();
    engine.close();
  };
  return { deps, close };
}

async function registryOf(values: Inputs) {
  if (values['redis-url'] === '') return null;
  const { redisRegistry } = await import('@cd-actions/shared/registry/redis-registry');
  return redisRegistry(values['redis-url']);
}

/** The engine is asked when an image is looked for: where it does not answer, that is the scan's result. */
async function dockerParts({ offline }: Inputs) {
  const [{ connect }, { findImage, inspectImage }, { configAuth, readDockerConfig }] = await Promise.all([
    import('@cd-actions/shared/engine/connect'),
    import('@cd-actions/shared/engine/images'),
    import('@cd-actions/shared/engine/docker-config'),
  ]);
  type Connecting = ReturnType<typeof connect>;
  let connecting: Connecting | null = null;
  let close = (): void => undefined;
  const connected = async (): Connecting => {
    connecting ??= connect(null);
    const connection = await connecting;
    close = connection.close;
    return connection;
  };
  const look = async (reference: string, pull: boolean) => {
    const { docker, host } = await connected();
    return pull
      ? findImage(docker, host, reference, configAuth(readDockerConfig(process.env)))
      : inspectImage(docker, host, reference);
  };
  return {
    docker: async () => (await connected()).docker,
    hasImage: async (image: string, fetch: boolean) => (await look(image, fetch)) !== null,
    async findImage(reference: string) {
      const found = await look(reference, !offline);
      return found && { reference, id: found.id, digest: found.digest };
    },
    close: () => close(),
  };
}
