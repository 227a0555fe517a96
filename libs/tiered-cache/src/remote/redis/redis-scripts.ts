import type { Redis } from 'ioredis';

/**
 * The scripts. Each touches the keys of one entry, or, on a standalone server, also the log: all keys are declared
 * in KEYS (Redis 7 refuses others). Numbers that matter to callers are integers, values come back as they are.
 * Fences expire by the server's own clock; no two machines' clocks are compared.
 */

/** Whether a fence stands: the sorted set `f` holds fence ids scored with their end, in ms of the server's clock. */
const NOW = `
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
`;
const FENCED = `${NOW}
local function fenced(f)
  if redis.call('EXISTS', f) == 0 then return false end
  return redis.call('ZCOUNT', f, string.format('(%.0f', now()), '+inf') > 0
end
`;

/** Adds a fence with its end, and forgets those that have ended. */
const STAND = `${NOW}
local function stand(f, id, ms)
  local at = now()
  redis.call('ZREMRANGEBYSCORE', f, '-inf', string.format('%.0f', at))
  redis.call('ZADD', f, string.format('%.0f', at + ms), id)
  if redis.call('PTTL', f) < tonumber(ms) then redis.call('PEXPIRE', f, ms) end
end
`;

/** Appends a record that names its predecessor: a reader whose chain does not close has missed something. */
const APPEND = `
local function append(log, maxlen, keys, tags, pattern)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  local record = { 'p', last[1] and last[1][1] or '' }
  if keys ~= '' then record[#record + 1] = 'k' record[#record + 1] = keys end
  if tags ~= '' then record[#record + 1] = 't' record[#record + 1] = tags end
  if pattern ~= '' then record[#record + 1] = 'g' record[#record + 1] = pattern end
  return redis.call('XADD', log, 'MAXLEN', '~', maxlen, '*', unpack(record))
end
`;

const ACQUIRING = `${FENCED}
local function acquire(v, l, f, token, ms, mode, seen)
  if fenced(f) then return 3 end
  local value = redis.call('GET', v)
  if value then
    if mode == '' or string.sub(value, 1, 32) ~= seen then return value end
    if mode == 'delete' then redis.call('DEL', v) end
  end
  local holder = redis.call('GET', l)
  if holder and holder ~= token then return 2 end
  redis.call('SET', l, token, 'PX', ms)
  return 1
end
`;

/**
 * KEYS: value, lease, fences. ARGV: token, lease ms, mode, fingerprint.
 * mode '' rejects nothing; 'delete' and 'keep' reject the value that begins with the fingerprint.
 * Returns the value, or 1 granted, 2 busy, 3 fenced. Slot: the entry's.
 */
const ACQUIRE = `${ACQUIRING}
return acquire(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
`;

const FILLING = `${FENCED}
local function fill(v, l, f, token, bytes, life)
  if redis.call('GET', l) ~= token or fenced(f) then return 0 end
  if life == '' then redis.call('SET', v, bytes) else redis.call('SET', v, bytes, 'PX', life) end
  redis.call('DEL', l)
  return 1
end
`;

/**
 * KEYS: value, lease, fences. ARGV: token, bytes, life in ms ('' for ever). Returns 1 stored, 0 rejected. Slot: the entry's.
 * A command that arrives after its caller gave up finds its lease gone or replaced, and does nothing.
 */
const FILL = `${FILLING}
return fill(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
`;

/**
 * Runs `one` for each three KEYS with as many ARGV each as it takes, which keeps the server busy for a third of the time of
 * that many scripts. Answers in order, the server's error in the place of one that failed; where all did, the first's.
 */
const EACH = `
local function each(one, width)
  local answers, failed = {}, 0
  for i = 1, #KEYS / 3 do
    local at = (i - 1) * width
    local ok, answer = pcall(one, KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i], unpack(ARGV, at + 1, at + width))
    if not ok then
      failed = failed + 1
      if type(answer) ~= 'table' then answer = redis.error_reply(tostring(answer)) end
    end
    answers[i] = answer
  end
  if failed == #answers then return answers[1] end
  return answers
end
`;

/** ACQUIRE of many; KEYS and ARGV of each as there. Slots: standalone only. */
const ACQUIRE_MANY = `${ACQUIRING}${EACH}
return each(acquire, 4)
`;

/** FILL of many; KEYS and ARGV of each as there. Slots: standalone only. */
const FILL_MANY = `${FILLING}${EACH}
return each(fill, 3)
`;

/** KEYS: lease. ARGV: token. Returns 1 released, 0 not the holder. Slot: the entry's. */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`;

/**
 * KEYS: value, log. ARGV: expected fingerprint, bytes, life in ms ('' for ever), log length, keys of the record.
 * Returns the record's id, or 0: another value or none. Slots: standalone only, because of the log.
 */
const REPLACE = `${APPEND}
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 32) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return append(KEYS[2], ARGV[4], ARGV[5], '', '')
`;

/**
 * Seconds that a nonce outlives its last question: tags that nobody uses any more do not pile up. One that ends earlier
 * than its entries makes them misses (absence never permits), so it may be any length. For the same reason a BUMP deletes
 * it: who asks next makes another one, and a write costs no memory for tags that no entry carries.
 */
export const NONCE_TTL_S = 30 * 86_400;

/** KEYS: nonces. ARGV: a fresh one for each. Returns those that stand, in order. Slots: group by slot on a cluster. */
const NONCE = `
local answer = {}
for i, key in ipairs(KEYS) do
  local nonce = redis.call('GET', key)
  if nonce then
    redis.call('EXPIRE', key, ${NONCE_TTL_S})
  else
    nonce = ARGV[i]
    redis.call('SET', key, nonce, 'EX', ${NONCE_TTL_S})
  end
  answer[i] = nonce
end
return answer
`;

/**
 * NONCE with the end of the log in the same step. KEYS: log, then the nonces. ARGV: a fresh one for each. Returns the
 * newest record's id and its predecessor's ('' and '' without a log), then the nonces. Slots: standalone only.
 */
const NONCE_AT = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local answer = { last and last[1] or '', '' }
if last then
  for i = 1, #last[2], 2 do if last[2][i] == 'p' then answer[2] = last[2][i + 1] end end
end
for i = 2, #KEYS do
  local nonce = redis.call('GET', KEYS[i])
  if nonce then
    redis.call('EXPIRE', KEYS[i], ${NONCE_TTL_S})
  else
    nonce = ARGV[i - 1]
    redis.call('SET', KEYS[i], nonce, 'EX', ${NONCE_TTL_S})
  end
  answer[i + 1] = nonce
end
return answer
`;

/**
 * KEYS: log, then per key value, lease, fences and the nonce of its own tag, then one nonce per tag.
 * ARGV: log length, number of keys, fence id or '', the record's keys, tags and pattern, lease ms, then a token per key
 * ('' leaves no lease; nor does the fence of somebody else).
 * Returns the record's id. Slots: standalone only.
 */
const INVALIDATE = `${FENCED}${APPEND}
local at = 1
for i = 1, tonumber(ARGV[2]) do
  local lease, fences = KEYS[at + 2], KEYS[at + 3]
  redis.call('DEL', KEYS[at + 1], lease, KEYS[at + 4])
  if ARGV[3] ~= '' then redis.call('ZREM', fences, ARGV[3]) end
  at = at + 4
  if ARGV[7 + i] ~= '' and not fenced(fences) then redis.call('SET', lease, ARGV[7 + i], 'PX', ARGV[7]) end
end
for i = at + 1, #KEYS do redis.call('DEL', KEYS[i]) end
return append(KEYS[1], ARGV[1], ARGV[4], ARGV[5], ARGV[6])
`;

/**
 * KEYS: log, then per key value, lease and fences. ARGV: log length, fence id, ms, keys of the record. Returns the
 * record's id. Slots: standalone only.
 */
const FENCE = `${STAND}${APPEND}
for i = 2, #KEYS, 3 do
  redis.call('DEL', KEYS[i], KEYS[i + 1])
  stand(KEYS[i + 2], ARGV[2], ARGV[3])
end
return append(KEYS[1], ARGV[1], ARGV[4], '', '')
`;

/**
 * KEYS: marks, log, then a nonce per tag. ARGV: epoch, log length, tags.
 * Returns 1 vouched for, 0 another data set. The marks are a hash of tags with the epoch vouched for. Slots: standalone only.
 */
const VOUCH = `${APPEND}
local info = redis.call('INFO', 'replication')
if not string.find(info, 'master_replid:' .. ARGV[1], 1, true) then return 0 end
local tags = cjson.decode(ARGV[3])
local bumped = {}
for i, tag in ipairs(tags) do
  if redis.call('HGET', KEYS[1], tag) ~= ARGV[1] then
    redis.call('DEL', KEYS[2 + i])
    redis.call('HSET', KEYS[1], tag, ARGV[1])
    bumped[#bumped + 1] = tag
  end
end
if #bumped > 0 then append(KEYS[2], ARGV[2], '', cjson.encode(bumped), '') end
return 1
`;

/** KEYS: log. ARGV: log length. Returns the newest id; an empty log is opened with a genesis record. Slot: the log's. */
const OPEN = `${APPEND}
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last[1] then return last[1][1] end
return append(KEYS[1], ARGV[1], '', '', '')
`;

/**
 * INVALIDATE of one entry, where the log is elsewhere (cluster). KEYS: value, lease, fences, nonce of its tag. ARGV: fence id or '', token
 * ('' leaves no lease), lease ms. Returns 1. Slot: the entry's.
 */
const DROP = `${FENCED}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
if ARGV[1] ~= '' then redis.call('ZREM', KEYS[3], ARGV[1]) end
if ARGV[2] ~= '' and not fenced(KEYS[3]) then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
return 1
`;

/** FENCE of one entry (cluster). KEYS: value, lease, fences. ARGV: fence id, ms. Returns 1. Slot: the entry's. */
const FENCE_ENTRY = `${STAND}
stand(KEYS[3], ARGV[1], ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2])
return 1
`;

/** The first half of it: a script of one key runs in a slot that is moving, too. KEYS: fences. ARGV and slot as above. */
const STAND_ONLY = `${STAND}
stand(KEYS[1], ARGV[1], ARGV[2])
return 1
`;

/**
 * REPLACE without the log (cluster). KEYS: value. ARGV: expected fingerprint, bytes, life in ms ('' for ever).
 * Returns 1 replaced, 0 another value or none. Slot: the entry's.
 */
const SWAP = `
local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 32) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
`;

/**
 * Appends what was invalidated elsewhere (cluster), and wakes who listens. KEYS: log. ARGV: log length, the record's
 * keys, tags and pattern, channel. Returns the record's id. Slot: the log's.
 */
const RECORD = `${APPEND}
local id = append(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('PUBLISH', ARGV[5], id)
return id
`;

/** By the name under which they are registered with ioredis (which sends EVALSHA and falls back to EVAL). */
export const SCRIPTS = {
  strataAcquire: ACQUIRE,
  strataAcquireMany: ACQUIRE_MANY,
  strataFill: FILL,
  strataFillMany: FILL_MANY,
  strataRelease: RELEASE,
  strataReplace: REPLACE,
  strataNonce: NONCE,
  strataNonceAt: NONCE_AT,
  strataInvalidate: INVALIDATE,
  strataFence: FENCE,
  strataOpen: OPEN,
  strataVouch: VOUCH,
  strataDrop: DROP,
  strataFenceEntry: FENCE_ENTRY,
  strataStand: STAND_ONLY,
  strataSwap: SWAP,
  strataRecord: RECORD,
} as const;

export type ScriptName = keyof typeof SCRIPTS;
/** One call of a script: KEYS and ARGV. */
export interface ScriptCall {
  keys: readonly string[];
  args: readonly (string | number | Buffer)[];
}

type Scripted = Record<`${ScriptName}Buffer`, (...args: (string | number | Buffer)[]) => Promise<unknown>>;

export function registerScripts(client: Redis): void {
  for (const [name, lua] of Object.entries(SCRIPTS)) client.defineCommand(name, { lua });
}

/** Runs a script; bulk replies are Buffers. The client's types know nothing of registered commands, hence the cast. */
export function runScript(client: Redis, name: ScriptName, { keys, args }: ScriptCall): Promise<unknown> {
  return (client as unknown as Scripted)[`${name}Buffer`](keys.length, ...keys, ...args);
}
