package redisq

import (
	"slices"
	"strings"
	"testing"

	"cosmicman/job"
)

func TestAddresses(t *testing.T) {
	for url, want := range map[string][]string{ // nil is one server, otherwise a cluster
		"redis://localhost":                       nil,
		"redis://u:p@localhost:7000/3":            nil,
		"rediss://localhost:7000":                 nil,
		"redis://localhost:7000?cluster=1":        {"localhost:7000"},
		"redis://u:p@a:7000,b:7001,c":             {"a:7000", "b:7001", "c:6379"},
		"redis://a,b/0?read_timeout=3s":           {"a:6379", "b:6379"},
		"redis://localhost?cluster=0&pool_size=5": nil,
	} {
		k, err := Config{URL: url}.connector()
		if err != nil {
			t.Errorf("%s: %v", url, err)
		} else if !slices.Equal(k.addrs, want) {
			t.Errorf("%s: addresses are %q, expected %q", url, k.addrs, want)
		}
	}
}

func TestAddressesThatCannotBeMeantAreRefusedWithoutTheirPassword(t *testing.T) {
	for _, c := range []Config{
		{URL: ""}, {URL: "localhost:6379"}, {URL: "http://u:secret@localhost"}, {URL: "redis://u:secret@localhost/x"},
		{URL: "redis://u:secret@a,b/1"}, {URL: "redis://u:secret@a,,b"}, {URL: "redis://u:secret@a?cluster=maybe"},
		{URL: "redis://u:secret@a?nonsense=1"}, {URL: "redis://u:secret@a:b:c\x7f"}, {URL: "redis://localhost", Prefix: "a{b}"},
	} {
		_, err := c.connector()
		kind(t, c.URL, err, job.Invalid)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q tells the password", err)
		}
	}
}

func TestNamesAreEscapedAndBack(t *testing.T) {
	for _, name := range []string{"", "a", "\x00", "\x01", "\x01\x02", "a\x00b\x01\x01\x02", "å\x00\x00"} {
		e := escape(name)
		if strings.Contains(e, "\x00") || unescape(e) != name {
			t.Errorf("%q became %q and %q", name, e, unescape(e))
		}
	}
}

func TestFindings(t *testing.T) {
	for what, c := range map[string]struct {
		facts    map[string]string
		warnings int
		broken   bool
	}{
		"nothing is known":  {nil, 0, false},
		"all is well":       {map[string]string{"maxmemory_policy": "noeviction", "aof_enabled": "1", "aof_last_write_status": "ok"}, 0, false},
		"evicting":          {map[string]string{"maxmemory_policy": "volatile-ttl", "aof_enabled": "1"}, 1, true},
		"snapshots only":    {map[string]string{"maxmemory_policy": "noeviction", "aof_enabled": "0"}, 1, false},
		"the disk is full":  {map[string]string{"aof_enabled": "1", "aof_last_write_status": "err", "rdb_last_bgsave_status": "err"}, 2, false},
		"memory runs short": {map[string]string{"aof_enabled": "1", "used_memory": "95000000", "maxmemory": "100000000"}, 1, false},
	} {
		warnings, err := findings(c.facts)
		if len(warnings) != c.warnings || (err != nil) != c.broken {
			t.Errorf("%s: warnings %q, error %v", what, warnings, err)
		}
	}
}
