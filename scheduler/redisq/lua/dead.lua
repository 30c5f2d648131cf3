#!lua flags=no-writes
-- dead lists dead letters, newest first.
-- ARGV: at most how many
-- Answers: 'ok', '', then for each: id, record, spec
local out = {'ok', ''}
local n = tonumber(ARGV[5])
if n <= 0 then return out end
for _, id in ipairs(call('ZREVRANGE', DEAD, 0, n - 1)) do
  out[#out + 1] = {id, call('HGET', JOBS, id), call('HGET', SPECS, id)}
end
return out
