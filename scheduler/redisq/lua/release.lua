#!lua flags=allow-oom
-- release gives starts back; those that have ended otherwise are left alone.
-- ARGV: for each start: id, image from 1, token
-- Answers: 'ok', events
for a = 5, #ARGV, 3 do
  local id, i, token = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local j = load(id)
  local im = j and j.i[i]
  if im and im.s == 'r' and im.t == token then
    event('returned', id, j, i)
    back(id, j, i)
  end
end
flush()
return {'ok', answered()}
