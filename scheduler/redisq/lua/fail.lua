#!lua flags=allow-oom
-- fail ends a start with an error.
-- ARGV: id, image from 1, token, reason as JSON, 1 if another attempt may help
-- Answers: as finish
local id, i, token, again = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[9] == '1'
local j = load(id)
if not j then return {'missing', ''} end
local im = j.i[i]
if not im then return {'image', '', #j.i} end
-- Told before, or counted when the lease ended.
if im.t == token and (im.s == 'f' or im.s == 'q' and again) then return {'ok', ''} end
if im.t ~= token or im.s ~= 'r' then
  event('fenced', id, j, i)
  return {'fenced', answered(), im.t or 0, im.s}
end
broken(id, j, i, ARGV[8], again)
flush()
return {'ok', answered()}
