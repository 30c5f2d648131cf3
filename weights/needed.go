package weights

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Wanted says what is wanted of a repository.
type Wanted int

// What Needed is asked for.
const (
	// Everything is a pipeline, or a network where the repository is one alone.
	Everything Wanted = iota
	// WithoutUNet is a pipeline whose UNet comes from elsewhere.
	WithoutUNet
	// UNetAlone is the UNet that takes the place of another pipeline's: at the
	// repository's root, or in its folder unet.
	UNetAlone
)

// ErrNoVariant says that a variant was wanted which no part has.
var ErrNoVariant = errors.New("no part has the variant")

// tokenizerFiles are those that the tokenizer reads.
var tokenizerFiles = []string{"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}

// Needed returns those of a repository's files that Open reads, so that only these
// have to be fetched. names are the paths of all files, with slashes; read returns
// the content of one, and is called for model_index.json and the indexes of shards.
// The error names what the repository lacks; pickles are never in the answer.
func Needed(names []string, want Wanted, variant string, read func(name string) ([]byte, error)) ([]string, error) {
	n := &need{folders: map[string][]string{}, variant: variant, read: read}
	for _, name := range names {
		dir, base := path.Split(name)
		dir = strings.TrimSuffix(dir, "/")
		n.folders[dir] = append(n.folders[dir], base)
	}
	if err := n.collect(want); err != nil {
		return nil, err
	}
	if variant != "" && !n.found {
		return nil, fmt.Errorf("%w %s", ErrNoVariant, show(variant))
	}
	slices.Sort(n.names)
	return slices.Compact(n.names), nil
}

// need is the state of one call of Needed.
type need struct {
	folders map[string][]string // folder to the names in it
	variant string
	found   bool // the variant was, in a part
	read    func(string) ([]byte, error)
	names   []string
}

func (n *need) has(dir, base string) bool { return slices.Contains(n.folders[dir], base) }

func (n *need) collect(want Wanted) error {
	switch {
	case want == UNetAlone && n.has("", "config.json"):
		return n.network("", UNet)
	case want == UNetAlone && n.has("unet", "config.json"):
		return n.network("unet", UNet)
	case want == UNetAlone:
		return errors.New("holds no UNet: neither config.json nor unet/config.json")
	case n.has("", "model_index.json"):
		return n.pipeline(want)
	case n.has("", "config.json") && want == Everything:
		kind := TextEncoder
		if slices.ContainsFunc(n.folders[""], func(f string) bool { return strings.HasPrefix(f, kinds[UNet].stems[0]) }) {
			kind = UNet // or a VAE, whose files have the same names
		}
		return n.network("", kind)
	}
	return errors.New("holds no diffusers pipeline: no model_index.json")
}

func (n *need) pipeline(want Wanted) error {
	const index = "model_index.json"
	b, err := n.read(index)
	if err != nil {
		return err
	}
	m, err := parseModelIndex(b)
	if err != nil {
		return fmt.Errorf("%s: %w", index, err)
	}
	family, faults := m.family(want == WithoutUNet)
	if len(faults) > 0 {
		return fmt.Errorf("%s: %w", index, joinSome(faults))
	}
	n.names = append(n.names, index)
	const scheduler = "scheduler_config.json"
	if !n.has("scheduler", scheduler) {
		faults = append(faults, errors.New("scheduler: holds no "+scheduler))
	}
	n.names = append(n.names, "scheduler/"+scheduler)
	for _, p := range []struct {
		part string
		kind Kind
	}{{"text_encoder", TextEncoder}, {"text_encoder_2", TextEncoder}, {"unet", UNet}, {"vae", VAE}} {
		if p.part == "unet" && want == WithoutUNet || p.part == "text_encoder_2" && family == SD {
			continue
		}
		if err := n.network(p.part, p.kind); err != nil {
			faults = append(faults, err)
		}
	}
	for _, dir := range []string{"tokenizer", "tokenizer_2"} {
		if dir == "tokenizer_2" && family == SD {
			continue
		}
		for _, f := range tokenizerFiles {
			if n.has(dir, f) {
				n.names = append(n.names, dir+"/"+f)
			}
		}
	}
	return joinSome(faults)
}

// network adds a network's config and weights.
func (n *need) network(dir string, kind Kind) error {
	where := dir
	if dir == "" {
		where = "the repository's root"
	}
	if !n.has(dir, "config.json") {
		return fmt.Errorf("%s: holds no config.json", where)
	}
	set, err := choose(n.folders[dir], kind, n.variant)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	n.found = n.found || set.variant == n.variant
	n.names = append(n.names, path.Join(dir, "config.json"), path.Join(dir, set.name))
	if !set.sharded {
		return nil
	}
	index := path.Join(dir, set.name)
	b, err := n.read(index)
	if err != nil {
		return err
	}
	keys, err := parseShardIndex(b)
	if err != nil {
		return fmt.Errorf("%s: %w", index, err)
	}
	for _, shard := range keys.shards() {
		if !n.has(dir, shard) {
			return fmt.Errorf("%s: names %s, which is not there", index, show(shard))
		}
		n.names = append(n.names, path.Join(dir, shard))
	}
	return nil
}
