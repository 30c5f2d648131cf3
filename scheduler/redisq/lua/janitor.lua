#!lua flags=allow-oom
-- janitor does what is due: leases, deadlines, watchers, workers and old records that
-- have run out, a bounded number of each.
-- ARGV: the least ms between two runs, 1 to run at once, this program's schema version
-- Answers: 'ok', events, 1 if there is more to do | 'not yet', ''
local last = tonumber(call('HGET', COUNT, 'tidied') or 0)
if ARGV[6] ~= '1' and now >= last and now < last + tonumber(ARGV[5]) then return {'not yet', ''} end
grace()
call('HSET', COUNT, 'tidied', now)
call('SET', SCHEMA, ARGV[7], 'NX') -- a Redis that came back empty has none

local most, more = 200, 0
local function over(key)
  local due = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, most)
  if #due == most then more = 1 end
  return due
end

if reclaim(most) == most then more = 1 end
for _, id in ipairs(over(DUE)) do
  local j = load(id)
  if j and j.s == 'q' and not j.b then
    close(id, j, 'e', cjson.encode({kind = 'expired', message = 'the deadline passed before the job was started'}))
  else
    call('ZREM', DUE, id)
  end
end
for _, member in ipairs(over(WATCHED)) do unwatch(member) end
flush()
for _, worker in ipairs(over(ALIVE)) do dismount(worker) end
for _, id in ipairs(over(FORGET)) do remove(id, load(id)) end
-- Waiting processes that are no more; the living ones come again.
if call('ZCARD', WAITERS) > 20000 then call('DEL', WAITERS) end
return {'ok', answered(), more}
