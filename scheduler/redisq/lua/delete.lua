#!lua flags=allow-oom
-- delete removes an artifact.
-- KEYS: as put
-- ARGV: name
-- Answers: 'ok'
redis.call('DEL', KEYS[1])
local size = redis.call('HGET', KEYS[3], ARGV[1])
if size then redis.call('DECRBY', KEYS[4], size) end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return {'ok'}
