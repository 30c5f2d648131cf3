package main

import (
	"context"
	"errors"
	"flag"
	"image"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cosmicman/job"
)

// imageFlags are what the image routes of serve are told.
type imageFlags struct {
	given     struct{ aliases, sizes []string } // as they stand on the command line
	publicURL string
	fetch     bool
	bare      bool // without parameters
	unmarked  bool

	aliases map[string]string // set by check
	limits  map[string]int    // largest sides in pixels; "": of every model without its own
}

func (f *imageFlags) register(fs *flag.FlagSet) {
	fs.Func("alias", "NAME=MODEL: another name of a model, such as gpt-image-1 for clients that insist on it; repeatable", func(s string) error {
		f.given.aliases = append(f.given.aliases, s)
		return nil
	})
	fs.Func("max-size", "pixels, or MODEL=PIXELS: the longest side that is drawn; repeatable (default twice the model's native side, at least 1024)", func(s string) error {
		f.given.sizes = append(f.given.sizes, s)
		return nil
	})
	fs.BoolVar(&f.fetch, "fetch-urls", false, "let clients name pictures by http and https URLs, which are then fetched from public addresses")
	fs.BoolVar(&f.bare, "no-metadata", false, "leave prompts and settings out of the image files")
	fs.BoolVar(&f.unmarked, "no-mark", false, "leave out the mark that the images are synthetic (IPTC's digital source type)")
	fs.StringVar(&f.publicURL, "public-url", "", "how clients reach this server, for the URLs in answers, such as https://images.example.org; by default as each request names it")
}

// prepare is the catalogue's, and what every image file is told.
func (f *imageFlags) prepare(c *catalogue) func(context.Context, *job.Spec, image.Point) error {
	return func(ctx context.Context, s *job.Spec, like image.Point) error {
		s.Drawing.NoMetadata, s.Drawing.NoMark = f.bare, f.unmarked
		return c.prepare(ctx, s, like)
	}
}

// aliasName is wider than a model's name: hubs put an owner before it.
var aliasName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$`)

// check reads them. elsewhere: workers may have models that are not among refs.
func (f *imageFlags) check(refs []modelRef, elsewhere bool) error {
	models := map[string]bool{}
	for _, r := range refs {
		models[r.Name] = true
	}
	known := func(name string) bool {
		return models[name] || elsewhere && len(refs) == 0 && modelName.MatchString(name)
	}
	have := "there is none"
	if len(models) > 0 {
		have = "there is " + strings.Join(slices.Sorted(maps.Keys(models)), ", ")
	}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, usagef(format, args...)) }

	f.aliases = map[string]string{}
	for _, s := range f.given.aliases {
		name, target, _ := strings.Cut(s, "=")
		switch _, twice := f.aliases[name]; {
		case !aliasName.MatchString(name) || target == "":
			fault("serve: --alias is %q, expected NAME=MODEL", s)
		case models[name]:
			fault("serve: --alias %s: %s is a model's own name", s, name)
		case twice:
			fault("serve: --alias %s is given twice", name)
		case !known(target):
			fault("serve: --alias %s: the model %s does not exist, %s", s, target, have)
		default:
			f.aliases[name] = target
		}
	}

	f.limits = map[string]int{}
	for _, s := range f.given.sizes {
		name, number, found := strings.Cut(s, "=")
		if !found {
			name, number = "", s
		}
		n, err := strconv.Atoi(number)
		switch _, twice := f.limits[name]; {
		case err != nil || n < 64 || n > 8192 || n%8 != 0:
			fault("serve: --max-size is %q, expected pixels, a multiple of 8 from 64 to 8192, or MODEL=PIXELS", s)
		case twice:
			fault("serve: --max-size %s is given twice", s)
		case name != "" && !known(name):
			fault("serve: --max-size %s: the model %s does not exist, %s", s, name, have)
		default:
			f.limits[name] = n
		}
	}

	f.publicURL = strings.TrimRight(f.publicURL, "/")
	if u, err := url.Parse(f.publicURL); f.publicURL != "" &&
		(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "") {
		fault("serve: --public-url is %q, expected a URL such as https://images.example.org", f.publicURL)
	}
	return errors.Join(errs...)
}
