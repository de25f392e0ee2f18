import type { Context } from '@cd-actions/shared/delivery/ports';
import { recordVerification } from '@cd-actions/shared/delivery/verification';
import { liveVersion } from '@cd-actions/shared/domain/deployment';
import { worst } from '@cd-actions/shared/domain/verdict';
import { bake, type VerifyResult } from '@cd-actions/shared/gates/probe/bake';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
  /** Runs a shell command in the checkout; `environment` is added to its own. */
  readonly shell: (command: string, environment: Readonly<Record<string, string>>) => Promise<number>;
  /** Writes a file of this job and returns its path. */
  readonly save: (name: string, contents: string) => Promise<string>;
}

export interface Verified extends VerifyResult {
  readonly version: string;
  readonly reportFile: string;
  readonly diagnosticsPath: string;
}

/** Checks the app as its users reach it, keeps the verdict with the release, and gathers what helps to find the cause of a failure. */
export async function main(inputs: Inputs, { context, shell, save }: Dependencies): Promise<Verified> {
  const live = liveVersion(await context.registry.read(context.id)) ?? '';
  const version = inputs['expect-version'] || live;
  const baked = await context.log.group(`Check ${inputs.url}`, () => runChecks(inputs, context));
  const checked = inputs['expect-version'] === '' ? judgeVersions(baked, version, inputs, context) : baked;
  const result = inputs.script === '' ? checked : await withScript(checked, inputs, version, shell);
  const reportFile = await save('verify.json', `${JSON.stringify({ version, url: inputs.url, ...result }, null, 2)}\n`);
  const diagnosticsPath = result.verdict === 'pass' ? '' : await diagnose(context, save);
  if (inputs.mode === 'release' && version !== '') {
    await recordVerification(context, version, result.verdict, result.message);
  }
  return { ...result, version, reportFile, diagnosticsPath };
}

function runChecks(inputs: Inputs, context: Context): Promise<VerifyResult> {
  return bake({
    url: inputs.url,
    checks: inputs.checks,
    duration: inputs.duration,
    interval: inputs.interval,
    versionHeader: inputs['version-header'],
    ...(inputs['expect-version'] === '' ? {} : { expectVersion: inputs['expect-version'] }),
    ...(inputs['max-failures'] === null ? {} : { maxFailures: inputs['max-failures'] }),
    ...(inputs['min-success-rate'] === null ? {} : { minSuccessRate: inputs['min-success-rate'] / 100 }),
    clock: context.clock,
    signal: context.signal,
    onResult: (each) => {
      const outcome = each.passed ? 'passed' : `failed: ${each.reasons.join('; ')}`;
      context.log.info(
        `${each.check} ${outcome} (${each.version || 'no version'}, ${Math.round(each.milliseconds)} ms)`,
      );
    },
  });
}

/**
 * Without `expect-version` the live version of the registry is expected of those answers that name a version: not every app tells its
 * own.
 */
function judgeVersions(result: VerifyResult, version: string, inputs: Inputs, context: Context): VerifyResult {
  const named = Object.keys(result.servedVersions).filter((each) => each !== '');
  if (named.length === 0 && version !== '') {
    context.log.info(
      `No answer has the header ${inputs['version-header']}, so it is not known which version answered.`,
    );
  }
  const others = named.filter((each) => each !== version);
  if (version === '' || others.length === 0) return result;
  const message = `${others.join(', ')} answered, while ${version} is live.`;
  return { ...result, verdict: 'fail', message: result.verdict === 'pass' ? message : `${result.message} ${message}` };
}

async function withScript(
  checked: VerifyResult,
  inputs: Inputs,
  version: string,
  shell: Dependencies['shell'],
): Promise<VerifyResult> {
  const exitCode = await shell(inputs.script, { CD_URL: inputs.url, CD_VERSION: version });
  const failed = checked.failed + (exitCode === 0 ? 0 : 1);
  const total = checked.checked + 1;
  const script = exitCode === 0 ? 'The script passed.' : `The script ended with exit code ${exitCode}.`;
  return {
    ...checked,
    verdict: worst([checked.verdict, exitCode === 0 ? 'pass' : 'fail']),
    message: `${checked.message} ${script}`,
    checked: total,
    failed,
    successRate: (total - failed) / total,
    perCheck: [...checked.perCheck, { check: inputs.script, checked: 1, failed: exitCode === 0 ? 0 : 1 }],
  };
}

/** State and last log lines of every instance, one file each. Returns their directory. */
async function diagnose(context: Context, save: Dependencies['save']): Promise<string> {
  const { releases } = await context.registry.read(context.id);
  let directory = '';
  for (const instance of releases.flatMap((release) => release.instances)) {
    const engine = context.fleet.engines.find((each) => each.host === instance.host);
    const found = await engine?.diagnose(instance);
    if (!found) continue;
    const { logs, ...facts } = found;
    const path = await save(`diagnostics/${instance.name}.txt`, `${JSON.stringify(facts)}\n\n${logs}\n`);
    directory = path.slice(0, path.lastIndexOf('/'));
  }
  return directory;
}
