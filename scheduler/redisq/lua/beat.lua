#!lua flags=allow-oom
-- beat keeps a worker alive and extends its leases.
-- ARGV: worker, its description as JSON, its offers as a JSON list (members of OFFERS
--   without the worker), then for each lease: id, image from 1, token
-- Answers: 'ok', events, numbers of the leases that it has no more, from 0
grace()
reclaim(16)
local worker, offers = ARGV[5], ARGV[7]
if call('HGET', OFFERED, worker) ~= offers then
  dismount(worker)
  for _, offer in ipairs(cjson.decode(offers)) do call('ZADD', OFFERS, 0, offer .. Z .. worker) end
  call('HSET', OFFERED, worker, offers)
end
call('HSET', WORKERS, worker, ARGV[6])
call('ZADD', ALIVE, now + TTL, worker)
local lost = {}
for a = 8, #ARGV, 3 do
  local id, i, token = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local member = ARGV[a] .. Z .. ARGV[a + 1] .. Z .. ARGV[a + 2]
  local j = call('ZSCORE', LEASES, member) and load(id)
  if j and j.i[i].w == worker then
    call('ZADD', LEASES, 'XX', now + TTL, member)
  else
    lost[#lost + 1] = (a - 8) / 3
  end
end
flush()
return {'ok', answered(), lost}
