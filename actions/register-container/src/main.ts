import type { Context } from '@cd-actions/shared/delivery/ports';
import { type Registered, register } from '@cd-actions/shared/delivery/register';
import { parseEnvFile } from '@cd-actions/shared/domain/container';
import { messageOf, UserError } from '@cd-actions/shared/domain/errors';
import type { InstanceSpec } from '@cd-actions/shared/domain/release';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
  /** The text of a file of the checkout. */
  readonly readFile: (path: string) => Promise<string>;
}

/** Starts the instances of a version, waits until they are healthy, and registers the release. It gets no traffic yet. */
export async function main(inputs: Inputs, { context, readFile }: Dependencies): Promise<Registered> {
  const env = { ...(await fromFile(inputs['env-file'], readFile)), ...Object.fromEntries(inputs.env) };
  return register(context, {
    version: inputs.version,
    spec: specOf(inputs, env),
    secrets: Object.fromEntries(inputs['secret-env']),
    beforeStart: inputs['before-start'],
    allowOlder: inputs['allow-older'],
    requireEvidence: inputs['require-evidence'],
    evidenceMaxAge: inputs['evidence-max-age'],
  });
}

async function fromFile(path: string, readFile: Dependencies['readFile']): Promise<Readonly<Record<string, string>>> {
  if (path === '') return {};
  try {
    return parseEnvFile(await readFile(path));
  } catch (error) {
    throw new UserError(`Input \`env-file\`: ${path} ${messageOf(error)}.`, 'It has one `NAME=value` a line.', {
      cause: error,
    });
  }
}

function specOf(inputs: Inputs, env: Readonly<Record<string, string>>): InstanceSpec {
  return {
    image: inputs.image,
    port: inputs.port,
    replicas: inputs.replicas,
    env,
    secretEnv: inputs['secret-env'].map(([name]) => name),
    command: inputs.command,
    volumes: inputs.volumes,
    networks: inputs.networks,
    memory: inputs.memory,
    cpus: inputs.cpus,
    labels: Object.fromEntries(inputs.labels),
    logDriver: inputs['log-driver'],
    logOptions: Object.fromEntries(inputs['log-options']),
    stopTimeout: inputs['stop-timeout'],
    health: {
      path: inputs['health-path'],
      port: inputs['health-port'] || inputs.port,
      status: inputs['health-status'],
      timeout: inputs['health-timeout'],
      interval: inputs['health-interval'],
      stable: inputs['health-stable'],
    },
  };
}
