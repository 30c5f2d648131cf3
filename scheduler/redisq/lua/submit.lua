#!lua
-- submit accepts a job, or answers the one that was accepted before.
-- ARGV: id, spec, tenant, model, needs, class (0 to 2), count, microseconds of an image,
--   deadline (ms, 0 none), idempotency field ('' none), digest, watcher ('' none), process,
--   1 if the job ends with its last watcher, MaxJobs, MaxSeconds (µs), WatchTTL (ms)
-- Answers: 'ok', events, record, spec ('' as given), position, progress, id | 'conflict', ''
--   | 'jobs' or 'seconds', '', jobs, µs, live workers
local id, spec, tenant, model = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local count, us, due, idem, digest = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14], ARGV[15]
local watcher, proc, most, mostUs, watchTTL = ARGV[16], ARGV[17], tonumber(ARGV[19]), tonumber(ARGV[20]), tonumber(ARGV[21])

local known = load(id) and id
if not known and idem ~= '' then
  local first = call('HGET', IDEM, idem)
  if first then
    local p = split(first)
    local j = load(p[1])
    if j and not (terminal(j) and j.e + RETENTION <= now) then
      if p[2] ~= digest then return {'conflict', ''} end
      known = p[1]
    end
  end
end
if known then
  local j = load(known)
  if watcher ~= '' and not terminal(j) then register(known, watcher, proc, watchTTL) end
  local s = seen(known, j)
  return {'ok', '', s[1], s[2], s[3], s[4], known}
end

local jobs, waiting = unpack(call('HMGET', COUNT, 'jobs', 'us'))
jobs, waiting = tonumber(jobs or 0), tonumber(waiting or 0)
local why = jobs >= most and 'jobs'
if mostUs > 0 or why then
  local alive = math.max(1, call('ZCOUNT', ALIVE, '(' .. now, '+inf'))
  -- One job that is too large alone has to be drawn some time.
  if not why and jobs > 0 and waiting + us * count > mostUs * alive then why = 'seconds' end
  if why then return {why, '', jobs, string.format('%.0f', waiting), alive} end
end

-- First what could be refused: a sum beyond 64 bits.
call('HINCRBY', COUNT, 'us', us * count)
local j = {s = 'q', v = 0, c = now, q = call('HINCRBY', COUNT, 'seq', 1), m = model, k = tonumber(ARGV[9]), p = tonumber(ARGV[10]), t = tenant, u = us, i = {}}
if due > 0 then
  j.d = due
  call('ZADD', DUE, due, id)
end
if idem ~= '' then
  j.y = idem
  call('HSET', IDEM, idem, id .. Z .. digest)
end
if ARGV[18] == '1' then j.a = 1 end
for i = 1, count do j.i[i] = {s = 'q'} end
call('HSET', SPECS, id, spec)
call('HINCRBY', COUNT, 'jobs', 1)
for i = 1, count do enqueue(id, j, i) end
-- Who has something queued already stays where it is.
local c = class(j)
if call('HEXISTS', ACCOUNT, c .. Z .. tenant) == 0 then seat(c, tenant, 0, turnMember(id, j, 1)) end
if watcher ~= '' then register(id, watcher, proc, watchTTL) end
cache[id] = j
event('queued', id, j).c = count
touch(id)
local blob = flush()
wake(model, count)
return {'ok', answered(), blob, '', position(j), {}, id}
