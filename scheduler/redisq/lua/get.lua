#!lua flags=no-writes
-- get reads a job.
-- ARGV: id
-- Answers: 'ok', '', record, spec, position, progress | 'missing'
local id = ARGV[5]
local j = load(id)
if not j then return {'missing', ''} end
local s = seen(id, j)
return {'ok', '', s[1], s[2], s[3], s[4]}
