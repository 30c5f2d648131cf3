package redisq

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Config says where the queue is.
type Config struct {
	// URL is redis://[user:password@]host:port[/database], or rediss:// with TLS.
	// Several hosts with commas between them, or ?cluster=1, mean a cluster.
	URL string
	// Prefix of all keys, "cosmicman" when empty. Queues with other prefixes in the same
	// Redis know nothing of each other.
	Prefix  string
	Options scheduler.Options
	// Keep writes the options into the queue, for those that join it: a process without
	// Keep takes what it leaves zero from there. The last keeper's count.
	Keep bool
}

const (
	// patience bounds every call to Redis, repetitions included.
	patience = 5 * time.Second
	// answerTime is how long one answer of Redis may take.
	answerTime = 2 * time.Second
)

// silence keeps go-redis from writing to the process's standard error: whatever goes wrong
// is told by the errors of calls.
var silence = sync.OnceFunc(logging.Disable)

// connector makes clients of one Redis.
type connector struct {
	options *redis.Options
	addrs   []string // of a cluster; nil for one server
}

func (c Config) connector() (connector, error) {
	fault := func(format string, args ...any) (connector, error) {
		err := job.Errorf(job.Invalid, format, args...)
		err.Field = "redis"
		return connector{}, err
	}
	const expected = "expected redis://[user:password@]host:port[/database]"
	if strings.ContainsAny(c.Prefix, "{}\x00") {
		return fault("the prefix %q of the keys must not hold braces or NUL", c.Prefix)
	}
	scheme, rest, found := strings.Cut(c.URL, "://")
	if !found {
		return fault("the address of Redis is no URL, %s", expected)
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	user, list := "", authority
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, list = authority[:i+1], authority[i+1:]
	}
	hosts := strings.Split(list, ",")
	parsed, err := url.Parse(scheme + "://" + user + hosts[0] + path)
	if err != nil {
		return fault("the address of Redis cannot be read (%v), %s", withoutURL(err), expected)
	}
	query := parsed.Query()
	cluster := query.Get("cluster")
	query.Del("cluster")
	parsed.RawQuery = query.Encode()
	o, err := redis.ParseURL(parsed.String())
	if err != nil {
		return fault("the address of Redis cannot be read (%v), %s", withoutURL(err), expected)
	}
	setDefaults(o)
	k := connector{options: o}
	switch cluster {
	case "", "0", "false":
	case "1", "true":
		k.addrs = []string{o.Addr}
	default:
		return fault("cluster=%s in the address of Redis is neither 0 nor 1", cluster)
	}
	if len(hosts) > 1 {
		k.addrs = []string{o.Addr}
		for _, h := range hosts[1:] {
			if h == "" {
				return fault("the address of Redis names an empty host, %s", expected)
			}
			if !strings.Contains(h, ":") {
				h += ":6379"
			}
			k.addrs = append(k.addrs, h)
		}
	}
	if k.addrs != nil && o.DB != 0 {
		return fault("the address of Redis names database %d, a cluster has only 0", o.DB)
	}
	return k, nil
}

// withoutURL leaves out the address, which may hold a password.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func setDefaults(o *redis.Options) {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&o.DialTimeout, answerTime)
	set(&o.ReadTimeout, answerTime)
	set(&o.WriteTimeout, answerTime)
	set(&o.PoolTimeout, patience)
	if o.PoolSize == 0 {
		o.PoolSize = 32
	}
	if o.MaxRetries == 0 {
		o.MaxRetries = 2
	}
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// client makes a client with at most conns connections to each server.
func (k connector) client(conns int) redis.UniversalClient {
	o := *k.options
	o.PoolSize = conns
	if k.addrs == nil {
		return redis.NewClient(&o)
	}
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: k.addrs, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolTimeout: o.PoolTimeout,
		PoolSize: conns, MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries,
		ContextTimeoutEnabled: true, DisableIdentity: true, MaintNotificationsConfig: o.MaintNotificationsConfig,
	})
}
