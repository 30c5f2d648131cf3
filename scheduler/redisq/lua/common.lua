-- What all scripts share. It stands before each of them.
--
-- KEYS are those of the package's documentation, always all, in the order of keys.go.
-- ARGV begins with LeaseTTL, Retention, DeadFor (ms) and MaxAttempts; a script's own
-- arguments follow from ARGV[5] on, and are named in its comment.
--
-- A script that changes jobs answers first a word and then its events as JSON ('' for
-- none). Jobs are read with load, changed, noted with touch, and written by flush.
local SCHEMA, COUNT, JOBS, SPECS, PROGRESS, IDEM, FORGET, FRESH, TURN, TENANTS, ACCOUNT, GAVE,
  BACK, LEASES, HELD, DUE, WATCHERS, WATCHED, WORKERS, ALIVE, OFFERS, OFFERED, DEAD, WAITERS = unpack(KEYS)
local BASE = string.sub(SCHEMA, 1, -7) -- without 'schema'
local TTL, RETENTION, DEADFOR, ATTEMPTS = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local Z = '\0'
local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local events = {}
local function answered()
  if #events == 0 then return '' end
  return cjson.encode(events)
end

-- split cuts a member at its NULs.
local function split(s)
  local parts = {}
  for part in string.gmatch(s .. Z, '([^%z]*)%z') do parts[#parts + 1] = part end
  return parts
end

-- within is the range of the members that begin with s, which ends with a NUL.
local function within(s) return '[' .. s, '(' .. string.sub(s, 1, -2) .. '\1' end

local function first(key, s)
  local low, high = within(s)
  return call('ZRANGEBYLEX', key, low, high, 'LIMIT', 0, 1)[1]
end

local function among(key, s)
  local low, high = within(s)
  return call('ZRANGEBYLEX', key, low, high)
end

local function counted(key, s)
  local low, high = within(s)
  return call('ZLEXCOUNT', key, low, high)
end

local function needs(n) return string.format('%04d', n) end
local function lane(j) return j.m .. Z .. needs(j.k) end
local function class(j) return lane(j) .. Z .. j.p end
local function place(j, i) return string.format('%016.0f', j.q) .. Z .. string.format('%05d', i) end

local function freshMember(id, j, i)
  return class(j) .. Z .. place(j, i) .. Z .. j.c .. Z .. j.t .. Z .. id
end
local function turnMember(id, j, i)
  return class(j) .. Z .. j.t .. Z .. place(j, i) .. Z .. j.c .. Z .. id
end
local function backMember(id, j, i)
  local im = j.i[i]
  return lane(j) .. Z .. place(j, i) .. Z .. j.c .. Z .. im.b .. Z .. (im.f or '') .. Z .. id
end
local function leaseMember(id, j, i) return id .. Z .. i .. Z .. j.i[i].t end
local function heldMember(id, j, i)
  local im = j.i[i]
  return im.w .. Z .. im.o .. Z .. id .. Z .. i
end

-- seat gives a tenant its place among those of its class, by its account, or takes it
-- away when nothing of it is queued there. add is charged to the account. head is the
-- tenant's first member of turn, and old what account has, where the caller knows them.
local function seat(c, tenant, add, head, old)
  local field = c .. Z .. tenant
  if head == nil then head = first(TURN, field .. Z) end
  old = old or call('HGET', ACCOUNT, field)
  local front = head and string.sub(head, #field + 2, #field + 23)
  if old and head and add == 0 and string.sub(old, 19) == front then return end
  if old then call('ZREM', TENANTS, c .. Z .. old .. Z .. tenant) end
  if not head then
    if not old then return end
    call('HDEL', ACCOUNT, field)
    if not first(TENANTS, c .. Z) then call('HDEL', GAVE, c) end
    return
  end
  local account = 0
  if old then
    account = tonumber(string.sub(old, 1, 17)) + add
  else
    local least = first(TENANTS, c .. Z)
    if least then account = tonumber(string.sub(least, #c + 2, #c + 18)) end
  end
  local new = string.format('%017.0f', account) .. Z .. front
  call('HSET', ACCOUNT, field, new)
  call('ZADD', TENANTS, 0, c .. Z .. new .. Z .. tenant)
end

-- The caller seats the tenant afterwards.
local function enqueue(id, j, i)
  call('ZADD', FRESH, 0, freshMember(id, j, i))
  call('ZADD', TURN, 0, turnMember(id, j, i))
end

-- unqueue takes an image out of wherever it is queued; the caller seats the tenant.
local function unqueue(id, j, i)
  local im = j.i[i]
  if im.b then
    call('ZREM', BACK, backMember(id, j, i))
    im.b = nil
  else
    call('ZREM', FRESH, freshMember(id, j, i))
    call('ZREM', TURN, turnMember(id, j, i))
  end
end

local function unlease(id, j, i)
  call('ZREM', LEASES, leaseMember(id, j, i))
  call('ZREM', HELD, heldMember(id, j, i))
  call('HDEL', PROGRESS, id .. Z .. i)
  j.i[i].o = nil
end

-- wake tells n of the processes that wait for a model. In a cluster nobody may seem to
-- have heard; then all are told.
local function wake(model, n)
  while n > 0 do
    local waiter = first(WAITERS, model .. Z)
    if not waiter then return end
    call('ZREM', WAITERS, waiter)
    if call('PUBLISH', BASE .. 'proc:' .. string.sub(waiter, #model + 2), 'W' .. Z .. model) > 0 then n = n - 1 end
  end
end

local function tell(id, message)
  local told, watchers = {}, among(WATCHERS, id .. Z)
  for _, member in ipairs(watchers) do
    local proc = split(member)[3]
    if not told[proc] then
      told[proc] = true
      call('PUBLISH', BASE .. 'proc:' .. proc, message)
    end
  end
  return watchers
end

local cache, changed = {}, {}
local function load(id)
  local j = cache[id]
  if j == nil then
    local blob = call('HGET', JOBS, id)
    j = blob and cjson.decode(blob) or false
    cache[id] = j
  end
  return j
end

local function touch(id)
  local j = cache[id]
  if not j.touched then
    j.touched = true
    changed[#changed + 1] = id
  end
end

local function terminal(j) return j.s ~= 'q' and j.s ~= 'r' end

local function dismiss(watchers)
  for _, member in ipairs(watchers) do
    call('ZREM', WATCHERS, member)
    call('ZREM', WATCHED, member)
  end
end

-- flush writes what was touched and tells the watchers; the last record is returned.
local function flush()
  local blob
  for _, id in ipairs(changed) do
    local j = cache[id]
    j.touched = nil
    j.v = j.v + 1
    blob = cjson.encode(j)
    call('HSET', JOBS, id, blob)
    local watchers = tell(id, 'S' .. Z .. id .. Z .. blob)
    if terminal(j) then dismiss(watchers) end
  end
  changed = {}
  return blob
end

local function event(kind, id, j, i, err)
  local e = {t = kind, j = id, m = j.m, n = j.t, s = j.s, e = err}
  if i then
    local im = j.i[i]
    e.i, e.w, e.a, e.s = i - 1, im.w, im.a or 0, im.s
  end
  events[#events + 1] = e
  return e
end

-- close ends a job: what it has queued is dropped, what runs is revoked.
local function close(id, j, state, err)
  local left, fresh = 0, false
  for i, im in ipairs(j.i) do
    if im.s == 'r' then
      event('revoked', id, j, i, err)
      call('PUBLISH', BASE .. 'revoked', im.w .. Z .. id .. Z .. (i - 1) .. Z .. im.t)
      unlease(id, j, i)
    elseif im.s == 'q' then
      fresh = fresh or not im.b
      unqueue(id, j, i)
    end
    if im.s == 'q' or im.s == 'r' then
      left = left + 1
      im.s = state == 'e' and 'e' or 'x'
    end
  end
  if fresh then seat(class(j), j.t, 0) end
  j.s, j.e, j.er = state, now, err
  call('HINCRBY', COUNT, 'jobs', -1)
  if left > 0 then call('HINCRBY', COUNT, 'us', 0 - left * j.u) end
  if j.d then call('ZREM', DUE, id) end
  if state == 'f' then
    call('ZADD', DEAD, now, id)
    call('ZADD', FORGET, now + DEADFOR, id)
  else
    call('ZADD', FORGET, now + RETENTION, id)
  end
  local e = event('ended', id, j, nil, err)
  e.c, e.q = #j.i, now - j.c
  touch(id)
end

-- back returns a running image to the head of its lane.
local function back(id, j, i)
  local im = j.i[i]
  unlease(id, j, i)
  im.s, im.b, im.l = 'q', now, nil
  call('ZADD', BACK, 0, backMember(id, j, i))
  touch(id)
  wake(j.m, 1)
end

-- broken ends a start with an error: another attempt if it may have one, otherwise the
-- job's end.
local function broken(id, j, i, err, again)
  local im = j.i[i]
  im.e = err
  if again then
    im.a = (im.a or 0) + 1
    if im.a < ATTEMPTS then
      event('retried', id, j, i, err)
      return back(id, j, i)
    end
  end
  unlease(id, j, i)
  im.s = 'f'
  call('HINCRBY', COUNT, 'us', 0 - j.u)
  close(id, j, 'f', err)
end

-- reclaim takes back at most n images whose leases have ended.
local function reclaim(n)
  local over = call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, n)
  for _, member in ipairs(over) do
    local p = split(member)
    local id, i = p[1], tonumber(p[2])
    local j = load(id)
    local im = j and j.i[i]
    if im and im.s == 'r' and im.t == tonumber(p[3]) then
      broken(id, j, i, cjson.encode({kind = 'crashed', message = 'the worker was not heard from for ' .. TTL / 1000 .. ' s'}), true)
    else
      call('ZREM', LEASES, member)
    end
  end
  return #over
end

-- remove takes away the records of a job that has ended.
local function remove(id, j)
  call('HDEL', JOBS, id)
  call('HDEL', SPECS, id)
  call('ZREM', FORGET, id)
  call('ZREM', DEAD, id)
  if j and j.y then
    local known = call('HGET', IDEM, j.y)
    if known and split(known)[1] == id then call('HDEL', IDEM, j.y) end
  end
end

-- position is how many images are before a job's first queued one.
local function position(j)
  local head
  for i, im in ipairs(j.i) do
    if im.s == 'q' then
      if im.b then return 0 end
      head = head or i
    end
  end
  if not head then return 0 end
  local l, c = lane(j), class(j)
  local n = counted(BACK, l .. Z)
  for p = 0, j.p - 1 do n = n + counted(FRESH, l .. Z .. p .. Z) end
  return n + call('ZLEXCOUNT', FRESH, '[' .. c .. Z, '(' .. c .. Z .. place(j, head))
end

local function register(id, watcher, proc, ttl)
  local member = id .. Z .. watcher .. Z .. proc
  for _, old in ipairs(among(WATCHERS, id .. Z .. watcher .. Z)) do
    if old ~= member then
      call('ZREM', WATCHERS, old)
      call('ZREM', WATCHED, old)
    end
  end
  call('ZADD', WATCHERS, 0, member)
  call('ZADD', WATCHED, now + ttl, member)
end

-- unwatch takes a watcher away, and the job with it if nobody else wants it.
local function unwatch(member)
  call('ZREM', WATCHED, member)
  if call('ZREM', WATCHERS, member) == 0 then return end
  local id = split(member)[1]
  if first(WATCHERS, id .. Z) then return end
  local j = load(id)
  if j and j.a and not terminal(j) then
    close(id, j, 'x', cjson.encode({kind = 'cancelled', message = 'nobody waits for the job any more'}))
  end
end

-- dismount takes a worker off the list.
local function dismount(worker)
  for _, offer in ipairs(cjson.decode(call('HGET', OFFERED, worker) or '[]')) do
    call('ZREM', OFFERS, offer .. Z .. worker)
  end
  call('HDEL', OFFERED, worker)
  call('HDEL', WORKERS, worker)
  call('ZREM', ALIVE, worker)
end

-- offered says whether a live worker other than one has s, of OFFERS.
local function offered(s, other)
  for _, member in ipairs(among(OFFERS, s .. Z)) do
    local worker = string.sub(member, #s + 2)
    if worker ~= other then
      local seen = call('ZSCORE', ALIVE, worker)
      if seen and tonumber(seen) > now then return true end
    end
  end
  return false
end

-- progress is what is known of the images of a job, as a flat list.
local function progress(id, j)
  local out = {}
  for i, im in ipairs(j.i) do
    local p = im.s == 'r' and call('HGET', PROGRESS, id .. Z .. i)
    if p then
      out[#out + 1] = i - 1
      out[#out + 1] = p
    end
  end
  return out
end

-- seen is a job as callers are told it: record, spec, position, progress.
local function seen(id, j, blob)
  return {blob or call('HGET', JOBS, id), call('HGET', SPECS, id), position(j), progress(id, j)}
end
