import type { ProxyConfig } from '../delivery/ports.ts';
import { unifiedDiff } from './diff.ts';
import { type Live, liveConfig } from './live.ts';
import { planDigest } from './plan-file.ts';
import type { Rendered } from './render.ts';

/** What a change would change: the rendered files and the plan, without what differs each time. */
export function diffOf(
  config: ProxyConfig,
  rendered: Rendered,
  live: Live | null,
  liveServers: ReadonlyMap<string, string>,
): string {
  const named = (servers: ReadonlyMap<string, string>): (readonly [string, string])[] =>
    [...servers].map(([key, text]) => [`servers/${key}.conf`, text] as const);
  const own = [...(live?.files ?? [])].filter(([name]) => name !== 'admin.conf' && !name.startsWith('servers/'));
  const same = live?.generation.structure === rendered.structure;
  const files = same ? own : new Map([...rendered.files].filter(([name]) => name !== 'admin.conf'));
  const plan = live ? liveConfig(live).plan : null;
  const unmoved = plan !== null && planDigest(plan) === planDigest(config.plan);
  const before = new Map([...own, ...named(liveServers)]);
  if (plan) before.set('plan', pretty(plan));
  return unifiedDiff(
    before,
    new Map([...files, ...named(rendered.servers), ['plan', pretty(unmoved ? plan : config.plan)]]),
  );
}

/** Every file under its name; the private server's part is nobody's business. */
export function readable(config: ProxyConfig, rendered: Rendered): string {
  const servers = [...rendered.servers].map(([key, text]) => [`servers/${key}.conf`, text] as const);
  const files = [...rendered.files].filter(([name]) => name !== 'admin.conf');
  return [...files, ...servers, ['plan', pretty(config.plan)] as const]
    .map(([name, text]) => `# ${name}\n${text}`)
    .join('\n');
}

function pretty(plan: unknown): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}
