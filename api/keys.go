package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// Scope is what a key is good for.
type Scope string

// The scopes. Neither holds the other.
const (
	Generate Scope = "generate" // images, jobs, models, prompts
	Admin    Scope = "admin"    // metrics
)

// Key is an API key. Of the key itself only the hash is kept. Several keys of one name
// are one tenant, so that a key can be replaced by another without a gap.
type Key struct {
	Name       string // the tenant
	Hash       [sha256.Size]byte
	Scopes     []Scope
	PerMinute  int // requests for images a minute; 0: Config.PerMinute
	Concurrent int // requests for images at once; 0: Config.Concurrent
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

const maxKeys = 10_000

// ParseKeys reads API keys: entries with commas or line ends between them, each
//
//	NAME:KEY[:SCOPE+SCOPE][:rpm=N][:concurrent=N]
//
// where KEY is the key or sha256= and its hash in hexadecimal digits, and the scope is
// generate if none is given. Lines that begin with # are comments. All faults are told
// at once, without the keys.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	var faults []error
	n := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for entry := range strings.SplitSeq(line, ",") {
			if entry = strings.TrimSpace(entry); entry == "" {
				continue
			}
			if n++; n > maxKeys {
				return nil, fmt.Errorf("there are more than %d keys", maxKeys)
			}
			k, err := parseKey(entry)
			if err == nil {
				err = fits(keys, &k)
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("key %d: %w", n, err))
				continue
			}
			keys = append(keys, k)
		}
	}
	return keys, errors.Join(faults...)
}

func parseKey(entry string) (k Key, err error) {
	parts := strings.Split(entry, ":")
	if len(parts) < 2 {
		return k, errors.New("expected NAME:KEY")
	}
	if k.Name = parts[0]; !keyName.MatchString(k.Name) {
		return k, errors.New("the name must be 1 to 64 letters, digits, dots, dashes and underscores")
	}
	secret := parts[1]
	digits, hashed := strings.CutPrefix(secret, "sha256=")
	sum, err := hex.DecodeString(digits)
	switch {
	case hashed && (err != nil || len(sum) != sha256.Size || [sha256.Size]byte(sum) == sha256.Sum256(nil)):
		return k, fmt.Errorf("of %s: sha256= must be followed by the 64 hexadecimal digits of a key's hash", k.Name)
	case hashed:
		k.Hash = [sha256.Size]byte(sum)
	case secret == "":
		return k, fmt.Errorf("of %s: the key is empty", k.Name)
	case strings.IndexFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return k, fmt.Errorf("of %s: the key must be printable ASCII without spaces", k.Name)
	default:
		k.Hash = sha256.Sum256([]byte(secret))
	}
	for _, option := range parts[2:] {
		if err := k.set(option); err != nil {
			return k, fmt.Errorf("of %s: %w", k.Name, err)
		}
	}
	if k.Scopes == nil {
		k.Scopes = []Scope{Generate}
	}
	return k, nil
}

// set reads what follows a key. What it was is not repeated: it may be a part of a key
// that holds a colon.
func (k *Key) set(option string) error {
	name, value, found := strings.Cut(option, "=")
	if !found {
		for scope := range strings.SplitSeq(option, "+") {
			if Scope(scope) != Generate && Scope(scope) != Admin {
				return errors.New("expected the scopes generate, admin or generate+admin, rpm=N or concurrent=N after the key, which holds no colon")
			}
			if !k.may(Scope(scope)) {
				k.Scopes = append(k.Scopes, Scope(scope))
			}
		}
		return nil
	}
	dst := map[string]*int{"rpm": &k.PerMinute, "concurrent": &k.Concurrent}[name]
	n, err := strconv.Atoi(value)
	if dst == nil || err != nil || n < 1 || n > 1_000_000 {
		return errors.New("expected rpm=N or concurrent=N with N from 1 to 1000000")
	}
	*dst = n
	return nil
}

// fits refuses a key that is there already, and a tenant with two sets of limits.
func fits(keys []Key, k *Key) error {
	for _, other := range keys {
		switch {
		case other.Hash == k.Hash:
			return fmt.Errorf("of %s: the same key is %s's", k.Name, other.Name)
		case other.Name == k.Name && (other.PerMinute != k.PerMinute || other.Concurrent != k.Concurrent):
			return fmt.Errorf("of %s: it has other limits than another key of that name", k.Name)
		}
	}
	return nil
}

func (k *Key) may(scope Scope) bool { return slices.Contains(k.Scopes, scope) }

// find returns the key that was presented, nil for none. How long it takes tells
// nothing of the keys that there are.
func find(keys []Key, presented string) *Key {
	sum := sha256.Sum256([]byte(presented))
	var found *Key
	for i := range keys {
		if subtle.ConstantTimeCompare(sum[:], keys[i].Hash[:]) == 1 {
			found = &keys[i]
		}
	}
	if presented == "" {
		return nil
	}
	return found
}

// publicRoutes are the routes that need no key, by their patterns; all others do. Those of
// images are here since their names are secrets, those of the page since it asks for
// the key.
var publicRoutes = []string{"/", "/healthz", "/readyz", "/openapi.json", "/swagger", filesPath + ":name"}

// publicBelow are the beginnings of patterns that need no key either.
var publicBelow = []string{"/assets/", "/swagger/"}

func isPublic(route string) bool {
	return slices.Contains(publicRoutes, route) || slices.ContainsFunc(publicBelow, func(p string) bool { return strings.HasPrefix(route, p) })
}

// scopeOf is what a route asks of a key.
func scopeOf(route string) Scope {
	if route == "/metrics" {
		return Admin
	}
	return Generate
}

var (
	errNoKey = &apiError{status: http.StatusUnauthorized, kind: "invalid_request_error", code: "invalid_api_key",
		message: "an API key is needed: send it in the header Authorization: Bearer KEY"}
	errWrongKey = &apiError{status: http.StatusUnauthorized, kind: "invalid_request_error", code: "invalid_api_key",
		message: "the API key is not one of this server's"}
)

const apiKeyKey = "key" // of an echo.Context: the *Key that a request came with

// authenticated asks for a key where there are any, on every route that is not public:
// one that is not there is no exception.
func (s *server) authenticated(next echo.HandlerFunc) echo.HandlerFunc {
	if len(s.Keys) == 0 {
		return next
	}
	return func(c echo.Context) error {
		if isPublic(c.Path()) {
			return next(c)
		}
		values := c.Request().Header.Values("Authorization")
		scheme, presented, _ := strings.Cut(strings.Join(values, " "), " ")
		if len(values) == 0 || !strings.EqualFold(scheme, "Bearer") {
			c.Response().Header().Set("WWW-Authenticate", `Bearer realm="cosmicman"`)
			return errNoKey
		}
		k := find(s.Keys, strings.TrimSpace(presented))
		if k == nil {
			c.Response().Header().Set("WWW-Authenticate", `Bearer realm="cosmicman", error="invalid_token"`)
			return errWrongKey
		}
		c.Set(tenantKey, k.Name)
		c.Set(apiKeyKey, k)
		if scope := scopeOf(c.Path()); !k.may(scope) {
			return &apiError{status: http.StatusForbidden, kind: "invalid_request_error", code: "insufficient_permissions",
				message: fmt.Sprintf("the API key has not the scope %s, which this needs", scope)}
		}
		return next(c)
	}
}
