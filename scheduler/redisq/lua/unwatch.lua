#!lua flags=allow-oom
-- unwatch lets a watcher leave; a job that ends with its last watcher is cancelled.
-- ARGV: id, watcher, process
-- Answers: 'ok', events
unwatch(ARGV[5] .. Z .. ARGV[6] .. Z .. ARGV[7])
flush()
return {'ok', answered()}
