#!lua
-- put stores an artifact unless all of them would be larger than the bound.
-- KEYS: the artifact, names by expiry, sizes by name, total
-- ARGV: name, data, time to live (ms), bound in bytes
-- Answers: 'ok' | 'full', bytes kept, ms until the first of them expires
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function drop(name)
  local size = redis.call('HGET', KEYS[3], name)
  if size then redis.call('DECRBY', KEYS[4], size) end
  redis.call('HDEL', KEYS[3], name)
  redis.call('ZREM', KEYS[2], name)
end
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
for _, name in ipairs(over) do drop(name) end
local before = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or 0)
local total = tonumber(redis.call('GET', KEYS[4]) or 0)
local size, bound = #ARGV[2], tonumber(ARGV[4])
if bound > 0 and total - before + size > bound then
  local next = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return {'full', total, next[2] and math.max(0, tonumber(next[2]) - now) or -1}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], size)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
redis.call('INCRBY', KEYS[4], size - before)
return {'ok'}
