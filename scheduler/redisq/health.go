package redisq

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"cosmicman/job"
)

// lookAgain is how old what is known of the server's settings may become.
const lookAgain = 2 * time.Second

// health is what is known of the server's settings.
type health struct {
	mu       sync.Mutex
	at       time.Time
	warnings []string
	err      error // the settings lose work
}

// inspect reads the server's settings. The error says that it cannot be used at all; a
// server that does not tell is taken as it is.
func (s *Store) inspect(ctx context.Context) error {
	node, err := s.node(ctx)
	if err != nil {
		return failure(err)
	}
	text, err := node.Info(ctx, "server", "memory", "persistence").Result()
	if err != nil {
		e := failure(err)
		if !redis.HasErrorPrefix(err, "NOPERM") && !redis.HasErrorPrefix(err, "ERR") {
			return e
		}
		s.health.set([]string{"Redis does not tell its settings (INFO is not allowed): nobody checked that it keeps what it is given"}, nil)
		return nil
	}
	facts := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			facts[name] = value
		}
	}
	if v := facts["redis_version"]; v != "" {
		if major, _, _ := strings.Cut(v, "."); number(major) < 7 {
			return job.Errorf(job.Unavailable, "the queue's Redis has version %.20s, 7.0 or newer is needed", v)
		}
	}
	s.health.set(findings(facts))
	return nil
}

// node is the server that holds our keys.
func (s *Store) node(ctx context.Context) (redis.Cmdable, error) {
	if c, is := s.client.(*redis.ClusterClient); is {
		return c.MasterForKey(ctx, s.base)
	}
	return s.client, nil
}

func (h *health) set(warnings []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.warnings, h.err = time.Now(), warnings, err
}

func (h *health) get() (warnings []string, old bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.warnings, time.Since(h.at) >= lookAgain, h.err
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// findings says what is wrong with a server's settings, and what to set.
func findings(facts map[string]string) (warnings []string, err error) {
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		warn("Redis throws jobs away when its memory is full (maxmemory-policy is %s): set maxmemory-policy noeviction", policy)
		err = job.Errorf(job.Unavailable, "%s", warnings[0])
	}
	if facts["aof_enabled"] == "0" {
		warn("Redis loses the jobs of the time since its last snapshot when it crashes (appendonly is no): set appendonly yes")
	}
	if status := facts["aof_last_write_status"]; facts["aof_enabled"] == "1" && status != "" && status != "ok" {
		warn("Redis cannot write its append-only file (its last write failed): look at its disk")
	}
	if status := facts["rdb_last_bgsave_status"]; status != "" && status != "ok" {
		warn("Redis cannot write its snapshots (the last one failed) and may refuse writes: look at its disk")
	}
	used, most := number(facts["used_memory"]), number(facts["maxmemory"])
	if most > 0 && used > most/10*9 {
		warn("Redis uses %d of %d MiB of its memory, and refuses new jobs when it is full: raise maxmemory", used>>20, most>>20)
	}
	return warnings, err
}
