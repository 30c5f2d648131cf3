package train

import (
	"errors"
	"fmt"
	"slices"

	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/tensor"
	"cosmicman/weights"
)

const tokenTable = "text_model.embeddings.token_embedding.weight"

// textNetwork is a text encoder's graph and what of it is trained. Its table of token
// embeddings may hold only the rows of the tokens that occur: of CLIP's 49408, captions
// of one kind use a hundred, and the others' gradients are zero.
type textNetwork struct {
	config  model.TextConfig // of the graph: the vocabulary is the table's rows
	index   *weights.Index
	places  map[int64]int64 // the row of a token's id; nil where the table has all
	used    []int64         // the ids by rows
	tensors []Tensor
}

// newTextNetwork holds the files against the config and reads what is trained, nothing
// where frozen is set. occurring are the ids of the only tokens that will be given, nil
// is any.
func newTextNetwork(c model.TextConfig, index *weights.Index, frozen bool, patterns []string, occurring []int64) (*textNetwork, error) {
	if index == nil {
		return nil, errors.New("text encoder: there are no weights")
	}
	g, err := model.Text(c)
	if err != nil {
		return nil, err
	}
	n := &textNetwork{config: c, index: index}
	if frozen {
		return n, checkParams(g, index)
	}
	if n.tensors, err = Load(g, index, patterns); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(n.tensors, func(t Tensor) bool { return t.Name == tokenTable })
	if occurring == nil || at < 0 {
		return n, nil
	}
	n.used = slices.Compact(slices.Sorted(slices.Values(occurring)))
	if len(n.used) == 0 || n.used[0] < 0 || n.used[len(n.used)-1] >= c.Vocabulary {
		return nil, fmt.Errorf("text encoder: ids of tokens that occur are %v, expected some from 0 to %d", n.used, c.Vocabulary-1)
	}
	whole := n.tensors[at]
	n.config.Vocabulary = int64(len(n.used))
	n.places = map[int64]int64{}
	size := int(c.Hidden) * len(n.used)
	t := Tensor{Name: tokenTable, Shape: tensor.Shape{n.config.Vocabulary, c.Hidden}, Values: make([]float32, 0, size), Gradient: make([]float32, size)}
	for row, id := range n.used {
		n.places[id] = int64(row)
		t.Values = append(t.Values, whole.Values[id*c.Hidden:(id+1)*c.Hidden]...)
	}
	n.tensors[at] = t
	return n, nil
}

// graph writes the network with the table that it has.
func (n *textNetwork) graph() (*onnx.Graph, error) { return model.Text(n.config) }

// inputs are what the graph takes for rows of ids, each of the config's Tokens.
func (n *textNetwork) inputs(ids []int64) (rows int64, places, pooled []int64, err error) {
	tokens := int(n.config.Tokens)
	if len(ids) == 0 || len(ids)%tokens != 0 {
		return 0, nil, nil, fmt.Errorf("a batch: %d token ids, expected a multiple of %d", len(ids), tokens)
	}
	places = make([]int64, len(ids))
	var strange []int64
	for i, id := range ids {
		row, ok := id, id >= 0 && id < n.config.Vocabulary
		if n.places != nil {
			row, ok = n.places[id]
		}
		if !ok && !slices.Contains(strange, id) {
			strange = append(strange, id)
		}
		places[i] = row
	}
	if strange != nil {
		return 0, nil, nil, fmt.Errorf("a batch: the token embedding that is trained has no rows for the ids %v", strange[:min(len(strange), 8)])
	}
	for from := 0; from < len(ids); from += tokens {
		pooled = append(pooled, int64(from+n.config.PooledAt(ids[from:from+tokens])))
	}
	return int64(len(ids) / tokens), places, pooled, nil
}

// Rest says what becomes of the rows of a token embedding that were not trained.
type Rest string

// The ways of Rest.
const (
	KeepRest Rest = "keep" // as they were
	ZeroRest Rest = "zero" // zero, which packs well: for models that know no other words
)

// whole fills dst with all of a tensor, of which values were trained.
func (n *textNetwork) whole(dst []float32, name string, values []float32, rest Rest) error {
	if name != tokenTable || n.used == nil {
		if len(dst) != len(values) {
			return fmt.Errorf("%s: %d values for a tensor of %d", name, len(values), len(dst))
		}
		copy(dst, values)
		return nil
	}
	width := int(n.config.Hidden)
	e, ok := n.index.Lookup(name)
	if size, err := e.Shape.Elements(); !ok || err != nil || int64(len(dst)) != size || len(values) != width*len(n.used) {
		return fmt.Errorf("%s: %d rows of values for a tensor of shape %v, of which %d rows are trained", name, len(values)/width, e.Shape, len(n.used))
	}
	switch rest {
	case KeepRest:
		if err := weights.ReadFloat32(dst, e); err != nil {
			return err
		}
	case ZeroRest:
		clear(dst)
	default:
		return fmt.Errorf("token rows that are not trained are to be %q, expected %s or %s", rest, KeepRest, ZeroRest)
	}
	for row, id := range n.used {
		copy(dst[int(id)*width:], values[row*width:(row+1)*width])
	}
	return nil
}
