#!lua flags=allow-oom
-- drop removes a job whatever its state; running work is revoked.
-- ARGV: id, reason as JSON
-- Answers: 'ok', events | 'missing'
local id = ARGV[5]
local j = load(id)
if not j then return {'missing', ''} end
dismiss(tell(id, 'D' .. Z .. id))
if not terminal(j) then
  close(id, j, 'x', ARGV[6])
  flush()
end
remove(id, j)
return {'ok', answered()}
