import { plannedTraffic } from '@cd-actions/shared/delivery/plan';
import type { Context, Proxy as Nginx, StagedConfig } from '@cd-actions/shared/delivery/ports';
import { configFor } from '@cd-actions/shared/delivery/traffic';
import { DeliveryError } from '@cd-actions/shared/domain/errors';
import type { Traffic } from '@cd-actions/shared/domain/traffic';
import type { Inputs } from './inputs.ts';

export interface Dependencies {
  readonly context: Context;
  /** Writes what was rendered, and returns where. */
  readonly save: (contents: string) => Promise<string>;
  /** The text of a file of the checkout that an input names. */
  readonly read: (input: string, path: string) => Promise<string>;
}

export interface RenderedConfig {
  readonly configFile: string;
  /** The number that a switch to this would be committed under; the committed one when nothing changes. */
  readonly generation: number;
  readonly changed: boolean;
  readonly diff: string;
  readonly valid: boolean;
  /** Why Nginx refuses it; empty when it does not. */
  readonly refusal: string;
}

/** Renders the traffic wished for, lets every Nginx test it, and takes it away again. Nothing live changes. */
export async function main(inputs: Inputs, { context, save, read }: Dependencies): Promise<RenderedConfig> {
  const template = inputs.template === '' ? null : await read('template', inputs.template);
  const deployment = await context.registry.read(context.id);
  const wanted = plannedTraffic(inputs, deployment, { template, maintenancePage: null });
  const committed = deployment.traffic?.generation ?? 0;
  const traffic: Traffic = { generation: committed + 1, route: wanted.route, plan: wanted.plan };
  const texts: string[] = [];
  const diffs: string[] = [];
  try {
    for (const proxy of context.fleet.proxies) {
      const staged = await proxy.stage(configFor(proxy, deployment, traffic));
      await proxy.discard(staged);
      texts.push(titled(context, proxy, staged.text));
      if (staged.diff !== '') diffs.push(titled(context, proxy, staged.diff));
      context.log.info(verdictOf(proxy, staged));
    }
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    const refused = { generation: committed, changed: false, diff: '', valid: false, refusal: error.message };
    return { configFile: await save(texts.join('\n')), ...refused };
  }
  const changed = diffs.length > 0;
  return {
    configFile: await save(texts.join('\n')),
    generation: changed ? traffic.generation : committed,
    changed,
    diff: diffs.join('\n'),
    valid: true,
    refusal: '',
  };
}

/** With several hosts, each one's text under its name. */
function titled(context: Context, proxy: Nginx, text: string): string {
  return context.fleet.proxies.length === 1 ? text : `# host ${proxy.name}\n${text}`;
}

function verdictOf(proxy: Nginx, staged: StagedConfig): string {
  const how = staged.needsReload ? 'by a reload that drops no request where Nginx is 1.27.4 or newer' : 'at once';
  return staged.diff === ''
    ? `Nginx on ${proxy.name} has this already.`
    : `Nginx on ${proxy.name} accepts it; a switch would bring it ${how}.`;
}
