-- Records: how they are read, written and told.

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
