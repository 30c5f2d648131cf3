#!lua flags=allow-oom
-- leave gives back what a worker holds, or what one request for work gave it.
-- ARGV: worker, name of the request ('' if the worker leaves)
-- Answers: 'ok', events
local worker, request = ARGV[5], ARGV[6]
local held = worker .. Z
if request == '' then dismount(worker) else held = held .. request .. Z end
for _, member in ipairs(among(HELD, held)) do
  local p = split(member)
  local id, i = p[3], tonumber(p[4])
  local j = load(id)
  if j and j.i[i] and j.i[i].s == 'r' then
    event('returned', id, j, i)
    back(id, j, i)
  else
    call('ZREM', HELD, member)
  end
end
flush()
return {'ok', answered()}
