package inference

import (
	"context"
	"errors"
	"slices"
	"sync"

	"cosmicman/model"
	"cosmicman/weights/lora"
)

// adaptedSessions is how many adapted sessions of a network stay when nobody runs them.
const adaptedSessions = 2

// variants are the adapted forms of a network: a session a class of modules, since LoRAs
// of any rank fit in it. The network's mapped weights are theirs, too; packed copies and
// float32 copies are each session's own, so only the few that were used last are kept.
type variants struct {
	plain     *network
	component string

	mu     sync.Mutex
	forms  []*variant // the last used first
	closed error      // what went wrong when sessions were given up
}

type variant struct {
	*network
	class lora.Targets
	users int // calls under way
}

// network is the adapted form of a class, without a session if it has none yet.
func (v *variants) network(class lora.Targets) (*network, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	form, err := v.find(class)
	if err != nil {
		return nil, err
	}
	return form.network, nil
}

func (v *variants) find(class lora.Targets) (*variant, error) {
	if i := slices.IndexFunc(v.forms, func(f *variant) bool { return f.class == class }); i >= 0 {
		return v.forms[i], nil
	}
	g, err := model.Adapt(v.plain.graph, func(m model.Module) bool {
		shape, _ := m.Shape.Const()
		return class.Has(lora.Module{Component: v.component, Path: m.Path, Shape: shape})
	})
	if err != nil {
		return nil, err
	}
	f := &variant{class: class, network: &network{
		graph: g, component: v.plain.component, settings: v.plain.settings, runtime: v.plain.runtime, fault: v.plain.fault,
	}}
	v.forms = append(v.forms, f)
	return f, nil
}

// runRows is the network's, in the form of a class; "" is the network as it is.
func (v *variants) runRows(ctx context.Context, class lora.Targets, shape string, pieces []int, in rowInputs) (rowOutputs, error) {
	if class == "" {
		return v.plain.runRows(ctx, shape, pieces, in)
	}
	f, err := v.take(class)
	if err != nil {
		return nil, err
	}
	defer v.give(f)
	return f.runRows(ctx, shape, pieces, in)
}

// given is the network's, in the form of a class.
func (v *variants) given(class lora.Targets, shape string, rows int) int {
	n := v.plain
	if class != "" {
		n = &network{settings: v.plain.settings} // nothing is known of one that was never used
		v.mu.Lock()
		if i := slices.IndexFunc(v.forms, func(f *variant) bool { return f.class == class }); i >= 0 {
			n = v.forms[i].network
		}
		v.mu.Unlock()
	}
	return n.given(shape, rows)
}

func (v *variants) take(class lora.Targets) (*variant, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f, err := v.find(class)
	if err != nil {
		return nil, err
	}
	f.users++
	i := slices.Index(v.forms, f)
	v.forms = slices.Insert(slices.Delete(v.forms, i, i+1), 0, f)
	v.shed()
	return f, nil
}

func (v *variants) give(f *variant) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f.users--
	v.shed()
}

// shed closes sessions that were not used lately.
func (v *variants) shed() {
	for _, f := range v.forms[min(len(v.forms), adaptedSessions):] {
		if f.users == 0 {
			v.closed = errors.Join(v.closed, f.close())
		}
	}
}

func (v *variants) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := v.closed
	v.closed = nil
	for _, f := range v.forms {
		err = errors.Join(err, f.close())
	}
	return err
}

// bytes is what the sessions take beside what the network itself has mapped.
func (v *variants) bytes() (total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range v.forms {
		if f.open() {
			total += f.own()
		}
	}
	return total
}
