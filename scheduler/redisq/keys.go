package redisq

import "strings"

// keyNames are the keys of every script, in the order of lua/common/keys.lua.
var keyNames = []string{
	"schema", "count", "jobs", "specs", "progress", "idem", "forget", "fresh", "turn", "tenants", "account", "gave",
	"back", "leases", "held", "due", "watchers", "watched", "workers", "alive", "offers", "offered", "dead", "waiters",
}

// keysOf returns the keys under a base such as "{cosmicman}:".
func keysOf(base string) []string {
	keys := make([]string, len(keyNames))
	for i, name := range keyNames {
		keys[i] = base + name
	}
	return keys
}

var (
	escaper   = strings.NewReplacer("\x00", "\x01\x02", "\x01", "\x01\x01")
	unescaper = strings.NewReplacer("\x01\x02", "\x00", "\x01\x01", "\x01")
)

// escape takes the NULs out of a name, which part the members of sorted sets.
func escape(name string) string {
	if !strings.ContainsAny(name, "\x00\x01") {
		return name
	}
	return escaper.Replace(name)
}

func unescape(name string) string {
	if !strings.Contains(name, "\x01") {
		return name
	}
	return unescaper.Replace(name)
}
