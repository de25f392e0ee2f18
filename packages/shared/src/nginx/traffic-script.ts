/**
 * The njs script that names the upstream group of every request. Written for njs 0.8's classic engine: no destructuring, no classes.
 *
 * The dictionary holds one string per deployment. Its first line is what a request needs, in a form that takes no parsing:
 *     S<pool>                          everything goes to one pool
 *     W<sticky 0|1><nn><pool> ...      the first whose two-digit bound is not below the request's bucket
 *     M<seconds>                       maintenance
 *     R<rules as JSON>\t<S or W form>  rules first
 *     C<share> <pool>\t<any of these>   a copy of the share's reads goes to the pool, see docs/traffic.md
 * and its second line is `<generation> <digest>` of the plan.
 *
 * `$cd_key` is `<id> <fallback pool> <pool> <pool> ... `: the pools that this worker's configuration has. An old worker that still
 * answers a keep-alive connection after a reload may lack the pool that the plan names, and must then not answer 502. The fallback also
 * serves when Nginx was restarted and the plan file is lost or damaged.
 */
export function trafficScript(root: string): string {
  return `import fs from 'fs';

const PLANS = '${root}/plans/';

function load(r, id) {
  const zone = ngx.shared.cd;
  let entry = '';
  try {
    const file = JSON.parse(fs.readFileSync(PLANS + id + '.json', 'utf8'));
    entry = file.serve + '\\n' + file.generation + ' ' + file.digest;
  } catch (e) {
    r.error('cd-actions: no plan for ' + id + ': ' + e.message);
    return '';
  }
  try {
    if (!zone.add(id, entry)) entry = zone.get(id);
  } catch (e) {
    r.error('cd-actions: the dictionary refuses the plan of ' + id + ': ' + e.message);
  }
  return entry;
}

function entryOf(r, id) {
  const entry = ngx.shared.cd.get(id);
  return entry === undefined ? load(r, id) : entry;
}

function matched(r, rules) {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i];
    const value = rule.kind === 'header' ? r.headersIn[rule.name] : r.variables['cookie_' + rule.name];
    if (value === rule.value) return rule.pool;
  }
  return '';
}

function weighted(r, line) {
  const sticky = line[1] === '1';
  if (sticky) r.variables.cd_set_cookie = r.variables.cd_new_cookie;
  const bucket = sticky ? r.variables.cd_bucket : r.variables.cd_dice;
  // No split and no array: they cost more than all the rest of this script.
  let at = 2;
  for (;;) {
    const end = line.indexOf(' ', at);
    if (end < 0) return line.substring(at + 2);
    if (bucket <= line.substring(at, at + 2)) return line.substring(at + 2, end);
    at = end + 1;
  }
}

function copy(r, share, pool) {
  if (r.method !== 'GET' && r.method !== 'HEAD') return;
  if (r.headersIn['Upgrade'] !== undefined || r.headersIn['Content-Length'] !== undefined) return;
  if (Number(r.variables.cd_copy_dice) >= share) return;
  r.variables.cd_copy_pool = pool;
  r.variables.cd_copy_app = r.variables.cd_app;
  r.subrequest('/.cd-actions/copy', { detached: true, method: r.method });
}

function pick(r, line) {
  switch (line[0]) {
    case 'S':
      return line.substring(1);
    case 'W':
      return weighted(r, line);
    case 'R': {
      const tab = line.indexOf('\\t');
      return matched(r, JSON.parse(line.substring(1, tab))) || pick(r, line.substring(tab + 1));
    }
    case 'C': {
      const tab = line.indexOf('\\t');
      const space = line.indexOf(' ');
      copy(r, Number(line.substring(1, space)), line.substring(space + 1, tab));
      return pick(r, line.substring(tab + 1));
    }
    case 'M':
      r.variables.cd_retry_after = line.substring(1);
  }
  return '';
}

function pool(r) {
  const key = r.variables.cd_key;
  const space = key.indexOf(' ');
  const entry = entryOf(r, key.substring(0, space));
  if (entry !== '') {
    const chosen = pick(r, entry.substring(0, entry.indexOf('\\n')));
    if (chosen === '' || key.indexOf(' ' + chosen + ' ', space) >= 0) return chosen;
  }
  return key.substring(space + 1, key.indexOf(' ', space + 1));
}

function answer(r, status) {
  const key = r.variables.cd_key;
  const entry = entryOf(r, key.substring(0, key.indexOf(' ')));
  const meta = entry.substring(entry.indexOf('\\n') + 1).split(' ');
  r.headersOut['Content-Type'] = 'application/json';
  r.return(status, JSON.stringify({
    structure: r.variables.cd_structure,
    token: r.variables.cd_token,
    generation: Number(meta[0]),
    digest: meta[1] || '',
    pid: Number(r.variables.pid),
  }) + '\\n');
}

function admin(r) {
  if (r.method === 'GET') return answer(r, 200);
  if (r.method !== 'POST') return r.return(405);
  const key = r.variables.cd_key;
  const plan = JSON.parse(r.requestText);
  for (let i = 0; i < plan.pools.length; i++) {
    if (key.indexOf(' ' + plan.pools[i] + ' ') < 0)
      return r.return(409, 'the loaded configuration has no pool ' + plan.pools[i] + '\\n');
  }
  ngx.shared.cd.set(key.substring(0, key.indexOf(' ')), plan.serve + '\\n' + plan.generation + ' ' + plan.digest);
  answer(r, 200);
}

function unknown(r) {
  if (r.method === 'DELETE') {
    ngx.shared.cd.delete(r.uri.substring('/apps/'.length));
    return r.return(204);
  }
  r.return(404);
}

export default { pool, admin, unknown };
`;
}
