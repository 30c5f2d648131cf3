#!lua
-- progress notes how far an image is and tells the watchers.
-- ARGV: id, image from 1, token, done, all, preview as JSON ('' none)
-- Answers: as finish, without events
local id, i, token = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
if not call('ZSCORE', LEASES, id .. Z .. ARGV[6] .. Z .. ARGV[7]) then
  local j = load(id)
  if not j then return {'missing', ''} end
  local im = j.i[i]
  if not im then return {'image', '', #j.i} end
  return {'fenced', '', im.t or 0, im.s}
end
call('HSET', PROGRESS, id .. Z .. i, ARGV[8] .. ' ' .. ARGV[9])
tell(id, 'P' .. Z .. id .. Z .. (i - 1) .. Z .. token .. Z .. ARGV[8] .. Z .. ARGV[9] .. Z .. ARGV[10])
return {'ok', ''}
