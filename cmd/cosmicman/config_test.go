package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// yamlFile writes a file of settings.
func yamlFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shown are the settings of a command, by name.
func shown(t *testing.T, env map[string]string, args ...string) map[string]shownSetting {
	t.Helper()
	code, stdout, stderr := runs(t, env, append([]string{"config", "show", "--json"}, args...)...)
	var got struct{ Settings []shownSetting }
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
		t.Fatalf("config show: exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	out := map[string]shownSetting{}
	for _, s := range got.Settings {
		out[s.Name] = s
	}
	return out
}

func TestExampleOfSettings(t *testing.T) {
	example := filepath.Join("..", "..", "deploy", "cosmicman.yaml")
	code, stdout, stderr := runs(t, nil, "config", "check", example)
	if code != 0 || stdout != example+": no faults\n" {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if s := shown(t, nil, example); !slices.Equal(s["model"].Values, []string{
		"cosmicman-sd=stable-diffusion-v1-5/stable-diffusion-v1-5,unet=cosmicman/CosmicMan-SD", "cosmicman-sdxl"}) || s["log-level"].Values[0] != "INFO" {
		t.Errorf("%+v", s)
	}
	if s := shown(t, nil, "--command", "worker", example); s["log-level"].Values[0] != "WARN" || s["drain"].Values[0] != "30s" {
		t.Errorf("worker: %+v", s)
	}
	s := shown(t, nil, "--command", "generate", example)
	if s["steps"].Values[0] != "40" || s["sampler"].Values[0] != "euler_a" || len(s["model"].Values) != 1 || s["count"].From != "default" {
		t.Errorf("generate: %+v", s)
	}
}

// TestOrderOfSettings: flag, environment, file, default.
func TestOrderOfSettings(t *testing.T) {
	path := yamlFile(t, "max-jobs: 5\nmax-attempts: 4\nlease-ttl: 7s\nalias: [a=b, c=d]\nredis: redis://file:1\n")
	env := map[string]string{"COSMICMAN_CONFIG": path, "COSMICMAN_MAX_JOBS": "6", "COSMICMAN_MODEL": "x=/m/x; /m/y", "COSMICMAN_NO_WORKER": "true",
		"COSMICMAN_REDIS_URL": "redis://user:hidden@host:1", "COSMICMAN_ALIAS": "", "COSMICMAN_LIFELINE": "true"}
	var flags *flag.FlagSet
	var from map[string]origin
	e := &environment{getenv: func(n string) string { return env[n] }, rehearsal: &rehearsal{
		fault:    func(text string) { t.Error(text) },
		settings: func(fs *flag.FlagSet, o map[string]origin) { flags, from = fs, o },
	}}
	if err := serve(t.Context(), e, []string{"--max-attempts", "9"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"max-attempts": "9 flag", "max-jobs": "6 COSMICMAN_MAX_JOBS", "lease-ttl": "7s " + path + ":3", "addr": "127.0.0.1:8080 default",
		"no-worker": "true COSMICMAN_NO_WORKER", "redis": "redis://user:hidden@host:1 COSMICMAN_REDIS_URL",
	} {
		if got := flags.Lookup(name).Value.String() + " " + from[name].where; got != want {
			t.Errorf("%s is %s, expected %s", name, got, want)
		}
	}
	if got := from["model"].values; !slices.Equal(got, []string{"x=/m/x", "/m/y"}) {
		t.Errorf("models are %q", got)
	}
	if got := from["alias"].values; !slices.Equal(got, []string{"a=b", "c=d"}) {
		t.Errorf("aliases are %q", got)
	}
	s := shown(t, env)
	if got := s["redis"]; got.Values[0] != "redis://***@host:1" {
		t.Errorf("shown: %+v", got)
	}
	env["COSMICMAN_CONFIG"] = "off"
	if got := shown(t, env)["lease-ttl"]; got.From != "default" {
		t.Errorf("without a file: %+v", got)
	}
	// Another command's flags of the same name are no settings.
	env = map[string]string{"COSMICMAN_STEPS": "3", "COSMICMAN_JSON": "true", "COSMICMAN_THREADS": "2"}
	if s := shown(t, env, "--command", "generate"); s["steps"].From != "default" || s["json"].From != "default" || s["threads"].From != "COSMICMAN_THREADS" {
		t.Errorf("generate: %+v", s)
	}
}

func TestDefaultPlaceOfSettings(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".config", "cosmicman")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HOME": home}
	if s := shown(t, env); s["max-jobs"].From != "default" {
		t.Errorf("%+v", s["max-jobs"])
	}
	path := filepath.Join(dir, "cosmicman.yaml")
	if err := os.WriteFile(path, []byte("max-jobs: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := shown(t, env); s["max-jobs"].From != path+":1" {
		t.Errorf("%+v", s["max-jobs"])
	}
}

// TestFaultsOfSettings: all are told at once, with their lines.
func TestFaultsOfSettings(t *testing.T) {
	path := yamlFile(t, strings.Join([]string{
		"addr: 127.0.0.1:8080",  // 1
		"adr: x",                // 2
		"max-jobs: many",        // 3
		"max-jobs: 5",           // 4
		"lease-ttl: 10ms",       // 5
		"\tkeep-alive: -3s",     // 6
		"worker-processes: 3",   // 7
		"no-worker: yes",        // 8
		"memory: lots",          // 9
		"log-level: LOUD",       // 10
		"models:",               // 11
		"  - name: sd",          // 12
		"    reff: a/b",         // 13
		"  - ref: [x]",          // 14
		"  - ref: a/b,c",        // 15
		"\t- ref: cosmicman-sd", // 16
		"preload: nobody",       // 17
		"data: &a x",            // 18
		"public-url: *a",        // 19
		"metrics-addr: 9090",    // 20
		"threads: 1.5",          // 21
		"pin:",                  // 22
		"profile: {a: b}",       // 23
		"max-seconds: -1",       // 24
		"generate:",             // 25
		"  stepps: 4",           // 26
		"  steps: x",            // 27
		"nothing",               // 28
		"max-attempts: -2",      // 29
		"alias:",                // 30
		"  gpt-image-1: sdx",    // 31
		"  gpt-image-1: sd",     // 32
		"worker:",               // 33
		"  addr: x",             // 34
	}, "\n"))
	code, stdout, stderr := runs(t, map[string]string{"COSMICMAN_DRAIN": "soon"}, "config", "check", path)
	want := []string{
		`:2: the file has no setting "adr"; did you mean addr?`,
		`:3: max-jobs is "many", expected a whole number`,
		`:4: max-jobs is given twice, first in line 3`,
		`:5: lease-ttl is 10ms, expected at least 100ms`,
		`:6: a tab in front of the text: YAML is indented with spaces`,
		`:6: keep-alive is -3s, expected no negative duration`,
		`:8: no-worker is "yes", expected true or false`,
		`:9: memory is "lots", expected bytes, such as 800M or 6G`,
		`:10: log-level is "LOUD", expected DEBUG, INFO, WARN or ERROR`,
		`:12: a model has no ref: a folder, org/name or a known name`,
		`:13: a model has no setting "reff"; did you mean ref?`,
		`:14: ref is a list, expected a string`,
		`:15: ref is "a/b,c", expected no comma`,
		`:16: a tab in front of the text: YAML is indented with spaces`,
		`:17: preload names "nobody", which is no --model`,
		`:18: data is an anchor or alias, which are not read, expected a string`,
		`:19: public-url is an anchor or alias, which are not read, expected a string`,
		`:20: metrics-addr is "9090", expected a string, such as "9090" in quotes`,
		`:21: threads is "1.5", expected a whole number`,
		`:22: pin is empty, expected a string`,
		`:23: profile is a mapping, expected a string`,
		`:24: max-seconds is -1, expected 0 or more`,
		`:26: generate has no setting "stepps"; did you mean steps?`,
		`:27: steps is "x", expected a whole number`,
		`:28: not YAML: `,
		`:29: max-attempts is -2, expected a positive number`,
		`:32: alias: gpt-image-1 is given twice`,
		`:34: worker has no setting "addr"`,
	}
	got := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, path+w) }) {
			t.Errorf("not told: %s", w)
		}
	}
	if !slices.Contains(got, `COSMICMAN_DRAIN is "soon", expected a duration such as 30s or 5m`) {
		t.Error("the variable's fault is not told")
	}
	if code != 1 || !strings.Contains(stderr, path+": ") || t.Failed() {
		t.Errorf("exit code %d: %s\n%s", code, stderr, stdout)
	}

	// Nothing begins with such a file.
	if code, _, stderr := runs(t, nil, "serve", "--config", path); code != 2 || !strings.Contains(stderr, path+`:2: the file has no setting "adr"`) || strings.Count(stderr, "\n") < len(want)-10 {
		t.Errorf("serve: exit code %d: %s", code, stderr)
	}
}

func TestOddFilesOfSettings(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "no faults",
		"# nothing\n":                            "no faults",
		"max-jobs: 0x10\nmemory: 0\n":            "no faults",
		"addr: '127.0.0.1:1'\r\nmax-jobs: 2\r\n": "no faults",
		"alias: a=b\nmodel: a.b\n":               ":1: alias a=b: the model b does not exist",
		"- a\n":                                  ":1: the file is a list, expected keys with values",
		"x":                                      ":1: the file is \"x\", expected keys with values",
		"addr: x:1\n---\naddr: y:1\n":            ":2: a second document begins",
		"addr: [a, b\nmax-jobs: x\n":             ":2: max-jobs is \"x\"",
		"addr: \"a\nmax-jobs: x\n":               ":1: not YAML",
		"<<: {a: b}\n":                           ":1: the file has no setting",
		"model: a\nmodels: [b]\n":                ":2: model and models exclude each other",
		"models: a\n":                            ":1: models is \"a\", expected a list",
		"models: [1, {}, [a]]\n":                 ":1: a model has no ref",
		"lifeline: true\n":                       ":1: the file has no setting \"lifeline\"",
		"config: x\n":                            ":1: the file has no setting \"config\"",
		"lease-ttl: 30\n":                        ":1: lease-ttl is \"30\", expected a duration such as 30s",
		"serve: 3\n":                             ":1: serve is \"3\", expected keys with values",
		"max-jobs: !!int 3\n":                    ":1: max-jobs is a tag, which is not read",
		"preload: a,b\nmodels: [a, b]\n":         "no faults",
		"two words: 1\n":                         ":1: the file has no setting \"two words\"",
		"memory: 1G # of it\nmax-jobs: 1":        "no faults",
	} {
		path := yamlFile(t, text)
		code, stdout, stderr := runs(t, map[string]string{"HOME": "/no-home"}, "config", "check", path)
		if (code == 0) != (want == "no faults") || !strings.Contains(stdout, want) {
			t.Errorf("%q: exit code %d, expected %s: %s%s", text, code, want, stdout, stderr)
		}
	}
	for _, c := range []struct {
		words string
		args  []string
	}{
		{"no such file", []string{"check", "no-such.yaml"}},
		{"is not UTF-8", []string{"check", yamlFile(t, "a: \xff")}},
		{"over 65536 bytes", []string{"check", yamlFile(t, strings.Repeat("# long\n", 10000))}},
		{"expected [FILE], was given \"a\" \"b\"", []string{"check", "a", "b"}},
		{"--command is \"draw\", expected serve", []string{"show", "--command", "draw"}},
	} {
		code, stdout, stderr := runs(t, nil, append([]string{"config"}, c.args...)...)
		if code == 0 || stdout != "" || !strings.Contains(stderr, c.words) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d: %s%s", c.args, code, stdout, stderr)
		}
	}
}

func TestStrayVariables(t *testing.T) {
	e := &environment{environ: []string{"COSMICMAN_ADR=x", "COSMICMAN_ADDR=y", "COSMICMAN_API_KEYS=z", "COSMICMAN_SOMETHING_ELSE=1", "HOME=/"}}
	got := strayVariables(e)
	if want := []string{"COSMICMAN_ADR is no setting; did you mean COSMICMAN_ADDR?", "COSMICMAN_SOMETHING_ELSE is no setting"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

// TestEveryFlagIsASetting sets each flag of serve to its default by the environment and the
// file, so that a flag of a new kind is seen here first.
func TestEveryFlagIsASetting(t *testing.T) {
	n := 0
	for name := range settingNames() {
		f := flagsOf("serve").Lookup(name)
		if f == nil || repeats(f) || f.Value.String() == "" {
			continue
		}
		n++
		if got := shown(t, map[string]string{variableOf(name): f.DefValue}, "--command", "serve")[name]; got.From != variableOf(name) || got.Values[0] != f.DefValue {
			t.Errorf("%s by the environment: %+v", name, got)
		}
		text := f.DefValue
		if k := kindOf(f); k == "string" {
			text = `"` + text + `"`
		}
		path := yamlFile(t, name+": "+text+"\n")
		if got := shown(t, nil, path)[name]; got.From != path+":1" || got.Values[0] != f.DefValue {
			t.Errorf("%s by the file: %+v", name, got)
		}
	}
	if n < 15 {
		t.Errorf("%d flags were tried", n)
	}
}

func FuzzParseConfig(f *testing.F) {
	example, err := os.ReadFile(filepath.Join("..", "..", "deploy", "cosmicman.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add("a: &a [*a]\n\t- {b: c\n\"x\n")
	f.Add("models:\n  - {name: a, ref: b}\n  - 3\nworker:\n  model: [a, b]\n? x\n: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxConfigFile {
			return
		}
		parseConfig("c.yaml", text).lines()
	})
}

// TestServeBySettings serves from a file, with workers of their own, which are told by flags.
func TestServeBySettings(t *testing.T) {
	path := yamlFile(t, "models:\n  - name: people\n    ref: "+tiny(t, "tiny-sd")+"\nworker-processes: 1\nalias:\n  gpt-image-1: people\nlog-level: WARN\n")
	t.Setenv("COSMICMAN_CONFIG", path)
	t.Setenv("COSMICMAN_KEEP_ALIVE", "1h")
	s := serving(t, t.TempDir())
	for _, model := range []string{"people", "gpt-image-1"} {
		s.draw(t, `{"prompt": "a headshot", "size": "64x64", "seed": 17, "model": "`+model+`"}`)
	}
	s.stop(t)
}
