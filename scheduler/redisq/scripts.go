package redisq

import (
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua lua/common/*.lua
var sources embed.FS

// scripts are the steps of the store, by the names of their files.
type scripts struct {
	submit, get, watch, unwatch, refresh, cancel    *redis.Script
	lease, wake, beat, finish, fail, release, leave *redis.Script
	progress, janitor, stats, dead, retry, drop     *redis.Script
	put, delete                                     *redis.Script
}

func loadScripts() (s scripts, err error) {
	read := func(name string) string {
		b, failed := sources.ReadFile("lua/" + name + ".lua")
		if failed != nil && err == nil {
			err = failed
		}
		return string(b)
	}
	var common string
	for _, part := range []string{"keys", "order", "record", "states", "crew"} {
		common += read("common/" + part)
	}
	step := func(name string) *redis.Script {
		// The first line says how Redis treats the script, and has to stay the first.
		head, body, _ := strings.Cut(read(name), "\n")
		return redis.NewScript(head + "\n" + common + body)
	}
	s = scripts{
		submit: step("submit"), get: step("get"), watch: step("watch"), unwatch: step("unwatch"), refresh: step("refresh"), cancel: step("cancel"),
		lease: step("lease"), wake: step("wake"), beat: step("beat"), finish: step("finish"), fail: step("fail"), release: step("release"), leave: step("leave"),
		progress: step("progress"), janitor: step("janitor"), stats: step("stats"), dead: step("dead"), retry: step("retry"), drop: step("drop"),
		put: redis.NewScript(read("put")), delete: redis.NewScript(read("delete")),
	}
	return s, err
}
