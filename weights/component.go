package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Limits on the JSON files beside the weights, in bytes.
const (
	maxConfig = 1 << 20
	maxIndex  = 64 << 20
)

// Component is one network's folder: its config and its weights.
type Component struct {
	Name    string // its part in the pipeline, such as "unet"
	Kind    Kind
	Dir     string // as given
	Config  Config // config.json
	Variant string // of the files taken, "" for the plain ones
	Index   *Index
	// Unused names the weight files and indexes in Dir that were not taken.
	Unused []string
}

// Config is a config file as it lies on disk: one JSON object without duplicate
// keys; what it says is for its reader to check. NaN and Infinity may stand in
// it, as Python writes them.
type Config struct {
	Path string
	JSON []byte
}

// OpenComponent opens a network's folder: config.json and the weights in one
// file or in shards with an index. variant, such as "fp16", is preferred where
// the folder has it; otherwise the plain files are, then any variant there is.
func OpenComponent(name string, kind Kind, dir, variant string) (*Component, error) {
	c := &Component{Name: name, Kind: kind, Dir: dir}
	var err error
	if c.Config, err = readConfig(filepath.Join(dir, "config.json")); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	list, err := listFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	set, err := choose(list, kind, variant)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, dir, err)
	}
	c.Variant = set.variant
	files, err := set.open(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.Index, err = NewIndex(name, kind, files...); err != nil {
		return nil, err
	}
	taken := map[string]bool{set.name: true}
	for _, s := range set.shards {
		taken[s] = true
	}
	for _, f := range list {
		if isWeights(f) && !taken[f] {
			c.Unused = append(c.Unused, f)
		}
	}
	return c, nil
}

func readConfig(path string) (Config, error) {
	b, err := readSmall(path, maxConfig)
	if err != nil {
		return Config{}, err
	}
	if err := checkObject(b); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return Config{path, b}, nil
}

func checkObject(b []byte) error {
	s, err := newScanner(b)
	if err != nil {
		return err
	}
	s.python = true
	if err := s.object(func(string) error { return s.skip() }); err != nil {
		return err
	}
	return s.end()
}

// className returns the _class_name of a diffusers config, "" where there is none.
func (c Config) className() string {
	s := &scanner{b: c.JSON, python: true}
	value := ""
	_ = s.object(func(key string) (err error) {
		if key == "_class_name" && s.peek() == '"' {
			value, err = s.str()
			return err
		}
		return s.skip()
	})
	return value
}

// architecture returns the first of a transformers config's architectures, ""
// where there is none.
func (c Config) architecture() string {
	s := &scanner{b: c.JSON, python: true}
	value := ""
	_ = s.object(func(key string) error {
		if key != "architectures" || s.peek() != '[' {
			return s.skip()
		}
		return s.array(func(i int) (err error) {
			if i > 0 || s.peek() != '"' {
				return s.skip()
			}
			value, err = s.str()
			return err
		})
	})
	return value
}

// listFolder returns the names in a folder, sorted.
func listFolder(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.Name()
	}
	return names, nil
}

// isWeights reports whether a file name is one of weights in any format.
func isWeights(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".h5", ".onnx", ".onnx_data", ".gguf":
		return true
	}
	return strings.HasSuffix(name, ".json") && strings.Contains(name, ".safetensors.")
}

// isPickle reports whether a file name is one that PyTorch gives its pickles.
func isPickle(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".bin", ".ckpt", ".pt", ".pth":
		return true
	}
	return false
}

// fileSet is one way in which a folder holds a network's weights.
type fileSet struct {
	stem, variant string
	name          string // the file or, where sharded, its index
	sharded       bool
	shards        []string
}

// The file names diffusers and transformers write. The variant has stood in
// three places of an index's name.
var (
	singleName = regexp.MustCompile(`^(diffusion_pytorch_model|model)(?:\.([A-Za-z0-9_-]+))?\.safetensors$`)
	shardName  = regexp.MustCompile(`-[0-9]+-of-[0-9]+(?:\.[A-Za-z0-9_-]+)?\.safetensors$`)
	indexName  = regexp.MustCompile(`^(diffusion_pytorch_model|model)(?:\.([A-Za-z0-9_-]+))?\.safetensors(?:\.([A-Za-z0-9_-]+))?\.index(?:\.([A-Za-z0-9_-]+))?\.json$`)
)

func sets(list []string) []fileSet {
	var all []fileSet
	for _, f := range list {
		if m := singleName.FindStringSubmatch(f); m != nil && !shardName.MatchString(f) {
			all = append(all, fileSet{stem: m[1], variant: m[2], name: f})
		} else if m := indexName.FindStringSubmatch(f); m != nil {
			all = append(all, fileSet{stem: m[1], variant: m[2] + m[3] + m[4], name: f, sharded: true})
		}
	}
	return all
}

// choose picks a folder's weights. Of a single file and an index of one variant
// it takes what the libraries do: diffusers the index, transformers the file.
func choose(list []string, kind Kind, variant string) (fileSet, error) {
	all := sets(list)
	if len(all) == 0 {
		return fileSet{}, noWeights(list, kind)
	}
	for _, stem := range kinds[kind].stems {
		var variants []string
		byVariant := make(map[string]fileSet)
		for _, s := range all {
			if s.stem != stem {
				continue
			}
			old, both := byVariant[s.variant]
			if !both {
				variants = append(variants, s.variant)
			}
			if !both || old.sharded != s.sharded && s.sharded == (kind != TextEncoder) {
				byVariant[s.variant] = s
			}
		}
		for _, v := range []string{variant, "", "fp32", "fp16", "bf16"} {
			if s, ok := byVariant[v]; ok {
				return s, nil
			}
		}
		if len(variants) == 1 {
			return byVariant[variants[0]], nil
		}
		if len(variants) > 1 {
			return fileSet{}, fmt.Errorf("holds only the variants %s of its weights: say which", strings.Join(variants, ", "))
		}
	}
	return fileSet{}, noWeights(list, kind)
}

func noWeights(list []string, kind Kind) error {
	want := kinds[kind].stems[0] + ".safetensors"
	i := slices.IndexFunc(list, isPickle)
	j := slices.IndexFunc(list, func(f string) bool { return strings.HasSuffix(f, ".safetensors") })
	switch {
	case j >= 0 && shardName.MatchString(list[j]):
		return fmt.Errorf("holds the shard %s but no index (%s.index.json)", list[j], want)
	case j >= 0:
		return fmt.Errorf("holds %s, but no %s", show(list[j]), want)
	case i >= 0:
		return fmt.Errorf("holds %s, a pickle, but no %s: pickles can run code and are not read", show(list[i]), want)
	}
	return fmt.Errorf("holds no weights: %s or %s.index.json is expected", want, want)
}

// open reads the headers of the set's files.
func (s *fileSet) open(dir string) ([]*File, error) {
	path := filepath.Join(dir, s.name)
	if !s.sharded {
		f, err := OpenFile(path)
		if err != nil {
			return nil, err
		}
		return []*File{f}, nil
	}
	b, err := readSmall(path, maxIndex)
	if err != nil {
		return nil, err
	}
	keys, err := parseShardIndex(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var files []*File
	var faults []error
	for _, shard := range keys.shards() {
		s.shards = append(s.shards, shard)
		f, err := OpenFile(filepath.Join(dir, shard))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		files = append(files, f)
		faults = append(faults, keys.check(path, shard, f)...)
	}
	return files, joinSome(faults)
}
