package weights

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// shardMap is the weight_map of an index file: key to shard's file name.
type shardMap map[string]string

// parseShardIndex reads {"metadata": {...}, "weight_map": {key: file name}}.
func parseShardIndex(b []byte) (shardMap, error) {
	s, err := newScanner(b)
	if err != nil {
		return nil, err
	}
	var m shardMap
	err = s.object(func(member string) error {
		if member != "weight_map" {
			return s.skip()
		}
		m = make(shardMap)
		return s.object(func(key string) error {
			file, err := s.str()
			if err == nil && !plainName(file) {
				err = fmt.Errorf("%q is not the name of a .safetensors file in this folder", file)
			}
			if err != nil {
				return fmt.Errorf("weight_map: tensor %s: %w", show(key), err)
			}
			m[key] = file
			return nil
		})
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return nil, err
	}
	if len(m) == 0 {
		return nil, errors.New("weight_map is missing or empty")
	}
	return m, nil
}

// plainName reports whether a name from an index is a safetensors file's and
// cannot lead out of the folder.
func plainName(name string) bool {
	return strings.HasSuffix(name, ".safetensors") && filepath.IsLocal(name) &&
		!strings.ContainsAny(name, "/\\:\x00") && name[0] != '.'
}

// shards returns the file names, sorted.
func (m shardMap) shards() []string {
	return slices.Compact(slices.Sorted(maps.Values(m)))
}

// check names every tensor that the index places in the shard and is not
// there, and every one there that the index does not place there.
func (m shardMap) check(index, shard string, f *File) []error {
	var faults []error
	have := make(map[string]bool, len(f.Entries))
	for _, e := range f.Entries {
		have[e.Key] = true
		if m[e.Key] == shard {
			continue
		}
		if place, ok := m[e.Key]; ok {
			faults = append(faults, fmt.Errorf("%s: tensor %s is in %s, the index places it in %s", index, show(e.Key), shard, place))
		} else {
			faults = append(faults, fmt.Errorf("%s: tensor %s of %s is not in the index", index, show(e.Key), shard))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if m[key] == shard && !have[key] {
			faults = append(faults, fmt.Errorf("%s: tensor %s is not in %s, where the index places it", index, show(key), shard))
		}
	}
	return faults
}
