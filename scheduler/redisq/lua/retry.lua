#!lua
-- retry puts the unfinished images of a dead letter back, attempts at 0.
-- ARGV: id, name of this request: it changes nothing when it comes again
-- Answers: 'ok', events | 'missing' | 'not dead', '', state
local id, request = ARGV[5], ARGV[6]
local j = load(id)
if not j then return {'missing', ''} end
if j.z == request then return {'ok', ''} end
if j.s ~= 'f' then return {'not dead', '', j.s} end
local left = 0
for i, im in ipairs(j.i) do
  if im.s ~= 'c' then
    left = left + 1
    im.s, im.a, im.e, im.b, im.o, im.l = 'q', nil, nil, nil, nil, nil
    enqueue(id, j, i)
  end
end
seat(class(j), j.t, 0)
j.s = 'r' -- it was started, or it could not have failed
j.z, j.e, j.er = request, nil, nil
-- A deadline was for the first start, which has been or failed.
j.b = j.b or now
call('HINCRBY', COUNT, 'jobs', 1)
call('HINCRBY', COUNT, 'us', left * j.u)
call('ZREM', DEAD, id)
call('ZREM', FORGET, id)
touch(id)
flush()
wake(j.m, left)
return {'ok', answered()}
