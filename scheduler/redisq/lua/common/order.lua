-- The order: who stands where in the queue.

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
