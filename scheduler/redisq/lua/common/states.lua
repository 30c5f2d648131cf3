-- States: what starts, comes back and ends.

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
