#!lua flags=allow-oom
-- lease gives images to a worker, in the order of package scheduler.
-- ARGV: worker, fingerprint, version, most images, name of this request, process ('' if
--   it does not wait), Ageing (ms), then for each offer: model, LoadSeconds (ms)
-- Answers: 'ok', events, ms after which time alone may bring something (-1 never), and a
--   list, for each image: id, image from 0, token, attempt, fingerprint of its last start, accepted
--   (ms), spec. The same request again answers the same images.
local worker, fingerprint, version, most, request, proc, ageing = ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10], tonumber(ARGV[11])
local out, given = {}, 0
local later

local function sooner(at)
  if not later or at < later then later = at end
end

local function answer(id, j, i, last)
  local im = j.i[i]
  given = given + 1
  for _, v in ipairs({id, i - 1, im.t, (im.a or 0) + 1, last or '', string.format('%.0f', j.c), call('HGET', SPECS, id)}) do out[#out + 1] = v end
end

for _, member in ipairs(among(HELD, worker .. Z .. request .. Z)) do
  local p = split(member)
  local id, i = p[3], tonumber(p[4])
  local j = load(id)
  if j and j.i[i] then answer(id, j, i, j.i[i].g) end
end
if given > 0 then return {'ok', '', -1, out} end

-- classesOf lists the classes of a model in which images are queued, with the oldest.
local function classesOf(model, list)
  local low, high = '[' .. model .. Z, '(' .. model .. Z .. needs(version) .. '\1'
  while true do
    local member = call('ZRANGEBYLEX', FRESH, low, high, 'LIMIT', 0, 1)[1]
    if not member then return list end
    local p = split(member)
    local c = p[1] .. Z .. p[2] .. Z .. p[3]
    list[#list + 1] = {c = c, place = p[4] .. Z .. p[5], accepted = tonumber(p[6]), after = (tonumber(p[3]) - 1) * ageing}
    low = '(' .. c .. '\1'
  end
end

-- backOf lists images that came back, as many as are worth a look.
local function backOf(model, list)
  local low, high = '[' .. model .. Z, '(' .. model .. Z .. needs(version) .. '\1'
  for _, member in ipairs(call('ZRANGEBYLEX', BACK, low, high, 'LIMIT', 0, 512)) do
    local p = split(member)
    list[#list + 1] = {model = p[1], place = p[3] .. Z .. p[4], image = tonumber(p[4]), accepted = tonumber(p[5]), back = tonumber(p[6]), fingerprint = p[7], id = p[8]}
  end
  return list
end

local classes, returned = {}, {}
for a = 12, #ARGV, 2 do
  local model, loading = ARGV[a], tonumber(ARGV[a + 1])
  local mine, came = classesOf(model, {}), backOf(model, {})
  local open = true
  if loading > 0 and (#mine > 0 or #came > 0) and offered('L' .. Z .. model, worker) then
    local oldest
    for _, c in ipairs(mine) do oldest = math.min(oldest or c.accepted, c.accepted) end
    for _, b in ipairs(came) do oldest = math.min(oldest or b.accepted, b.accepted) end
    if now - oldest <= loading then
      open = false
      sooner(oldest + loading + 1)
    end
  end
  if open then
    for _, c in ipairs(mine) do
      c.gave = tonumber(call('HGET', GAVE, c.c) or 0)
      classes[#classes + 1] = c
    end
    for _, b in ipairs(came) do returned[#returned + 1] = b end
  end
end
table.sort(returned, function(a, b) return a.place < b.place end)

local function start(id, j, i, waited)
  local im = j.i[i]
  im.g = im.f -- of the last start
  im.s, im.t, im.w, im.f, im.o, im.l = 'r', (im.t or 0) + 1, worker, fingerprint, request, now
  if j.s == 'q' then
    j.s = 'r'
    if not j.b then j.b = now end
    if j.d then call('ZREM', DUE, id) end
  end
  call('ZADD', LEASES, now + TTL, leaseMember(id, j, i))
  call('ZADD', HELD, 0, heldMember(id, j, i))
  touch(id)
  local e = event('leased', id, j, i)
  e.q, e.a = now - waited, (im.a or 0) + 1
  answer(id, j, i, im.g)
end

local function charge(j) return math.max(1000, j.u) end

-- Images that came back.
local left = {} -- by model and fingerprint: whether a live worker wants it
for _, b in ipairs(returned) do
  if given >= most then break end
  local free = b.fingerprint == '' or b.fingerprint == fingerprint or now - b.back >= TTL / 2
  if not free then
    local key = 'F' .. Z .. b.model .. Z .. b.fingerprint
    if left[key] == nil then left[key] = offered(key, worker) end
    free = not left[key]
    if not free then sooner(b.back + TTL / 2) end
  end
  local j = free and load(b.id)
  if j and j.i[b.image] and j.i[b.image].s == 'q' then
    unqueue(b.id, j, b.image)
    if call('HEXISTS', ACCOUNT, class(j) .. Z .. j.t) == 1 then seat(class(j), j.t, charge(j)) end
    start(b.id, j, b.image, b.back)
  end
end

-- Fresh ones, class by class.
while given < most and #classes > 0 do
  local best, at
  for n, c in ipairs(classes) do
    local value = math.max(c.accepted, c.gave) + c.after
    if not best or value < at or value == at and c.place < classes[best].place then best, at = n, value end
  end
  local c = classes[best]
  local chair = first(TENANTS, c.c .. Z)
  local tenant = string.sub(chair, #c.c + 43)
  local low, high = within(c.c .. Z .. tenant .. Z)
  local heads = call('ZRANGEBYLEX', TURN, low, high, 'LIMIT', 0, 2)
  local p = split(string.sub(heads[1], #c.c + #tenant + 3))
  local id, i = p[4], tonumber(p[2])
  local j = load(id)
  if j.d and j.d <= now and not j.b then
    close(id, j, 'e', cjson.encode({kind = 'expired', message = 'the deadline passed before the job was started'}))
  else
    unqueue(id, j, i)
    c.gave = now
    call('HSET', GAVE, c.c, now)
    seat(c.c, tenant, charge(j), heads[2] or false, string.sub(chair, #c.c + 2, #c.c + 41))
    start(id, j, i, j.c)
  end
  local oldest = given < most and first(FRESH, c.c .. Z)
  if oldest then
    p = split(oldest)
    c.place, c.accepted = p[4] .. Z .. p[5], tonumber(p[6])
  else
    table.remove(classes, best)
  end
end

flush()
if given == 0 and proc ~= '' then
  for a = 12, #ARGV, 2 do call('ZADD', WAITERS, 0, ARGV[a] .. Z .. proc) end
end
return {'ok', answered(), later and math.max(1, later - now) or -1, out}
