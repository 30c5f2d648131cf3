-- Keys, arguments and members. The files of this folder stand before each script, in the
-- order of scripts.go.
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
