#!lua flags=allow-oom
-- wake passes on the news that there is work for a model, from a process that heard it
-- and does not wait any more.
-- ARGV: model
-- Answers: 'ok', ''
wake(ARGV[5], 1)
return {'ok', ''}
