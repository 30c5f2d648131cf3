-- Who is there: watchers and workers.

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

-- grace gives who is about to be taken for dead more time when nobody has tidied up for
-- a while: Redis, or the way to it, was away, or its clock has jumped, so that nobody
-- could say that he lives.
local function grace()
  local last = tonumber(call('HGET', COUNT, 'tidied') or 0)
  if now - last <= 3000 then return end
  call('HSET', COUNT, 'tidied', now)
  local till = now + math.max(math.floor(TTL / 2), 3000)
  for _, key in ipairs({LEASES, WATCHED, ALIVE}) do
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf', till)) do call('ZADD', key, till, member) end
  end
end
