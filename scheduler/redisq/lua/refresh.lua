#!lua flags=allow-oom
-- refresh keeps a process's watchers alive and reads what changed meanwhile.
-- ARGV: process, WatchTTL (ms), then for each watcher: id, watcher, revision
-- Answers: 'ok', '', then for each watcher: 0 when there is no such job, otherwise
--   {position, progress, record or '' when the revision is still the last}
local out = {'ok', ''}
for a = 7, #ARGV, 3 do
  local id = ARGV[a]
  local j = load(id)
  if not j then
    out[#out + 1] = 0
  else
    if not terminal(j) then register(id, ARGV[a + 1], ARGV[5], tonumber(ARGV[6])) end
    local record = ''
    if j.v ~= tonumber(ARGV[a + 2]) then record = call('HGET', JOBS, id) end
    out[#out + 1] = {position(j), progress(id, j), record}
  end
end
return out
