#!lua flags=allow-oom
-- finish records an image's result, once.
-- ARGV: id, image from 1, token, result as JSON
-- Answers: 'ok', events | 'fenced', events, last token, state | 'missing' | 'image', '', images
local id, i, token = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local j = load(id)
if not j then return {'missing', ''} end
local im = j.i[i]
if not im then return {'image', '', #j.i} end
if im.t == token and im.s == 'c' then return {'ok', ''} end
if im.t ~= token or im.s ~= 'r' then
  event('fenced', id, j, i)
  return {'fenced', answered(), im.t or 0, im.s}
end
local p = call('HGET', PROGRESS, id .. Z .. i)
if p then im.x = tonumber(string.match(p, ' (%d+)$')) end
unlease(id, j, i)
im.s, im.r = 'c', ARGV[8]
call('HINCRBY', COUNT, 'us', 0 - j.u)
local e = event('finished', id, j, i)
e.q, e.k = now - j.c, now - im.l
im.l = nil
touch(id)
local done = true
for _, other in ipairs(j.i) do done = done and other.s == 'c' end
if done then close(id, j, 'c') end
flush()
return {'ok', answered()}
