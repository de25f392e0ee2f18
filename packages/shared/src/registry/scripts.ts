/**
 * One Lua script per atomic operation. Redis runs each alone, and its clock stands still meanwhile, so a lease that a script finds
 * held is held for all the script does. A script that fails after its first write is not rolled back: every check comes first.
 */

/** KEYS lease, fence. ARGV holder, ttl, nonce. Returns {token, '', 0}, or {'', holder, remaining} when it is held. */
const ACQUIRE = `
local held = redis.call('HMGET', KEYS[1], 'token', 'holder', 'nonce')
if held[1] then
  if held[3] == ARGV[3] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {held[1], '', 0}
  end
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    left = tonumber(ARGV[2])
  end
  return {'', held[2] or '', left}
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
local token = string.format('%.0f', math.max(now, last + 1))
redis.call('SET', KEYS[2], token)
redis.call('HSET', KEYS[1], 'token', token, 'holder', ARGV[1], 'nonce', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {token, '', 0}`;

/** KEYS lease. ARGV token, ttl. Returns {'ok', ''}, or {'stale', holder}. */
const RENEW = `
local held = redis.call('HMGET', KEYS[1], 'token', 'holder')
if held[1] ~= ARGV[1] then return {'stale', held[2] or ''} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'ok', ''}`;

/** KEYS lease. ARGV token. */
const FREE = `
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`;

/** KEYS releases, traffic, journal. Returns {flat releases, traffic, journal}, '' for what is absent. */
const READ = `
return {redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or ''}`;

/**
 * KEYS lease, releases, traffic, journal, history [, deployments]. ARGV token, nonce, id, history length, traffic and
 * journal ('' leaves it, '-' removes it), n, n versions to remove, m, m pairs of version and release, events.
 * Returns {'ok', ''}, {'stale', holder} or {'foreign', key}.
 */
const WRITE = `
local held = redis.call('HMGET', KEYS[1], 'token', 'holder', 'write')
if held[1] ~= ARGV[1] then return {'stale', held[2] or ''} end
if held[3] == ARGV[2] then return {'ok', ''} end
local types = {false, 'hash', 'string', 'string', 'stream', 'set'}
for index = 2, #KEYS do
  local found = redis.call('TYPE', KEYS[index]).ok
  if found ~= 'none' and found ~= types[index] then return {'foreign', KEYS[index]} end
end
redis.call('HSET', KEYS[1], 'write', ARGV[2])
if ARGV[5] == '-' then redis.call('DEL', KEYS[3]) elseif ARGV[5] ~= '' then redis.call('SET', KEYS[3], ARGV[5]) end
if ARGV[6] == '-' then redis.call('DEL', KEYS[4]) elseif ARGV[6] ~= '' then redis.call('SET', KEYS[4], ARGV[6]) end
local at = 7
local removals = tonumber(ARGV[at])
for index = at + 1, at + removals do redis.call('HDEL', KEYS[2], ARGV[index]) end
at = at + removals + 1
local releases = tonumber(ARGV[at])
for index = at + 1, at + 2 * releases, 2 do redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 1]) end
at = at + 2 * releases + 1
for index = at, #ARGV do redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', 'event', ARGV[index]) end
if KEYS[6] then redis.call('SADD', KEYS[6], ARGV[3]) end
return {'ok', ''}`;

/** KEYS evidence. ARGV gate, evidence, ttl. */
const PUT_EVIDENCE = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** The scripts by the name under which the client sends them. */
export const SCRIPTS = {
  cdAcquire: ACQUIRE,
  cdRenew: RENEW,
  cdFree: FREE,
  cdRead: READ,
  cdWrite: WRITE,
  cdPutEvidence: PUT_EVIDENCE,
} as const;

export type ScriptName = keyof typeof SCRIPTS;
