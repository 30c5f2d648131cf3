#!lua flags=no-writes
-- stats is the queue at a glance.
-- Answers: 'ok', '', queued, running, jobs, dead, µs, oldest (ms, 0 none),
--   {model, queued, ...}, {worker as JSON, seen (ms), ...}
local models, oldest = {}, 0
local byModel = {}
local function scan(key, parts, accepted)
  local low = '-'
  while true do
    local member = call('ZRANGEBYLEX', key, low, '+', 'LIMIT', 0, 1)[1]
    if not member then return end
    local p = split(member)
    local s = table.concat(p, Z, 1, parts)
    byModel[p[1]] = (byModel[p[1]] or 0) + counted(key, s .. Z)
    local at = tonumber(p[accepted])
    if oldest == 0 or at < oldest then oldest = at end
    low = '(' .. s .. '\1'
  end
end
scan(FRESH, 3, 6)
scan(BACK, 2, 5)
for model, n in pairs(byModel) do
  models[#models + 1] = model
  models[#models + 1] = n
end
local workers = {}
local alive = call('ZRANGEBYSCORE', ALIVE, '(' .. now, '+inf', 'WITHSCORES')
for a = 1, #alive, 2 do
  workers[#workers + 1] = call('HGET', WORKERS, alive[a]) or ''
  workers[#workers + 1] = string.format('%.0f', tonumber(alive[a + 1]) - TTL)
end
local count = call('HMGET', COUNT, 'jobs', 'us')
return {'ok', '', call('ZCARD', FRESH) + call('ZCARD', BACK), call('ZCARD', LEASES), tonumber(count[1] or 0), call('ZCARD', DEAD),
  count[2] or '0', string.format('%.0f', oldest), models, workers}
