#!lua flags=allow-oom
-- watch registers a watcher of a job that has not ended, and reads the job.
-- ARGV: id, watcher, process, WatchTTL (ms)
-- Answers: as get
local id = ARGV[5]
local j = load(id)
if not j then return {'missing', ''} end
if not terminal(j) then register(id, ARGV[6], ARGV[7], tonumber(ARGV[8])) end
local s = seen(id, j)
return {'ok', '', s[1], s[2], s[3], s[4]}
