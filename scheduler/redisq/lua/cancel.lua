#!lua flags=allow-oom
-- cancel ends a job that has not ended.
-- ARGV: id, reason as JSON
-- Answers: 'ok', events | 'missing'
local id = ARGV[5]
local j = load(id)
if not j then return {'missing', ''} end
if not terminal(j) then
  close(id, j, 'x', ARGV[6])
  flush()
end
return {'ok', answered()}
