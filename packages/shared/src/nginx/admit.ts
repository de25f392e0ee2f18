import { isIP } from 'node:net';
import type { ProxyConfig } from '../delivery/ports.ts';
import { UserError } from '../domain/errors.ts';
import { type Grammar, integer, pattern, Refused, text } from '../domain/grammar.ts';
import { absolutePath, appName, versionName } from '../domain/names.ts';
import { listenAddress, matchRule, pathPrefix, serverName } from '../domain/route.ts';

const port = integer(1, 65_535);

/** Any address that a server of an upstream group can have. */
const serverAddress: Grammar<string> = {
  allowed: 'an IP address or a host name',
  parse(raw) {
    if (isIP(raw) === 0) pattern('a host name', /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/, 253).parse(raw);
    if (raw.includes('%')) throw new Refused('has a zone');
    return raw;
  },
};

/** A file of the user's own, whole. */
const document = text('text', { multiline: true });

/**
 * The border between everything else and the rendered text: whatever an input parser let through, no value that could change the shape
 * of a configuration comes past here. Throws `UserError` naming the field.
 */
export function admit(config: ProxyConfig): void {
  const [app = '', environment = '', ...more] = config.id.split('@');
  held('app', appName, app);
  held('environment', appName, environment);
  if (more.length > 0) throw new UserError(`The deployment ${JSON.stringify(config.id)} is not \`app@environment\`.`);
  held('generation', integer(0, Number.MAX_SAFE_INTEGER), String(config.generation));
  const { route } = config;
  if (route.listen.length === 0 || route.serverName.length === 0)
    throw new UserError('A route needs at least one `listen` and one `server-name`.');
  for (const each of route.listen) held('listen', listenAddress, each);
  for (const each of route.redirect ?? []) held('redirect-http', listenAddress, each);
  if ((route.redirect ?? []).length > 0 && !route.tls)
    throw new UserError('A redirect to HTTPS needs a certificate.', 'Give `tls-certificate`.');
  for (const each of route.serverName) held('server-name', serverName, each);
  held('path-prefix', pathPrefix, route.pathPrefix);
  if (route.tls) {
    held('tls-certificate', absolutePath, route.tls.certificate);
    held('tls-certificate-key', absolutePath, route.tls.key);
  }
  for (const pool of config.pools) {
    held('version', versionName, pool.version);
    for (const server of pool.servers) {
      held('address', serverAddress, server.address);
      held('port', port, String(server.port));
    }
  }
  if (route.maintenancePage !== undefined) held('maintenance-page', document, route.maintenancePage);
  if (route.template !== null) held('template', document, route.template);
  admitPlan(config);
}

function admitPlan({ id, plan, pools }: ProxyConfig): void {
  const sum = plan.targets.reduce((total, target) => total + target.weight, 0);
  for (const target of plan.targets) held('weight', integer(0, 100), String(target.weight));
  if (sum !== 100) throw new UserError(`The weights of ${id} sum to ${sum}, not to 100.`, 'Correct `traffic`.');
  for (const rule of plan.rules) held(`match-${rule.kind}`, matchRule(rule.kind), `${rule.name}=${rule.value}`);
  if (plan.maintenance) held('maintenance', integer(0, 86_400), String(plan.maintenance.retryAfter));
  if (plan.mirror) held('mirror', integer(1, 100), String(plan.mirror.share));
  const routable = new Set(pools.filter((pool) => pool.servers.length > 0).map((pool) => pool.version));
  for (const { version } of [
    ...plan.targets.filter((target) => target.weight > 0),
    ...plan.rules,
    ...(plan.mirror ? [plan.mirror] : []),
  ]) {
    held('version', versionName, version);
    if (!routable.has(version))
      throw new UserError(
        `Version ${version} of ${id} has no running instance that this Nginx can reach.`,
        'Register it with register-container first.',
      );
  }
}

function held<T>(field: string, grammar: Grammar<T>, value: string): void {
  try {
    grammar.parse(value);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new UserError(
      `\`${field}\`: ${JSON.stringify(value.slice(0, 80))} ${error.message}. Allowed: ${grammar.allowed}.`,
    );
  }
}
