package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"

	"cosmicman/artifact"
)

// Proofs remembers which row counts give a row the bits that it has alone: by
// network, which includes the engine's fingerprint, and by the shape of the
// inputs. It may be shared by models and used by many goroutines. The zero value
// keeps all in memory.
type Proofs struct {
	path string

	mu    sync.Mutex
	known networkProofs
}

// networkProofs say for a network, a shape and a row count whether it can be used.
type networkProofs map[string]map[string]map[int]bool

// proofsVersion is the version of the file; one of another version is begun anew.
const proofsVersion = 1

// maxShapes bounds how many shapes of a network are remembered; beyond, it
// begins anew.
const maxShapes = 4096

type proofsFile struct {
	Version  int           `json:"version"`
	Networks networkProofs `json:"networks"`
}

// OpenProofs keeps proofs in a file. One that cannot be understood, or is of
// another version, counts as empty: to prove again costs little. The error says
// that the file can't be read or written.
func OpenProofs(path string) (*Proofs, error) {
	if err := artifact.CheckWritable(path); err != nil {
		return nil, err
	}
	known, err := readProofs(path)
	if err != nil {
		return nil, err
	}
	return &Proofs{path: path, known: known}, nil
}

func readProofs(path string) (networkProofs, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("proofs of row counts: %w", err)
	}
	var f proofsFile
	if json.Unmarshal(data, &f) != nil || f.Version != proofsVersion {
		return nil, nil
	}
	return f.Networks, nil
}

func (p *Proofs) get(network, shape string, count int) (ok, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ok, known = p.known[network][shape][count]
	return ok, known
}

// set remembers a proof, and writes the file. What another process has proven in
// between is kept. A file that can't be written now may be so at the next proof, and
// if not, a restart proves again: drawing goes on.
func (p *Proofs) set(network, shape string, count int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		if others, err := readProofs(p.path); err == nil {
			p.known = others.with(p.known)
		}
	}
	if len(p.known[network]) >= maxShapes && p.known[network][shape] == nil {
		delete(p.known, network)
	}
	p.known = p.known.with(networkProofs{network: {shape: {count: ok}}})
	if p.path == "" {
		return
	}
	if data, err := json.Marshal(proofsFile{proofsVersion, p.known}); err == nil {
		_ = artifact.WriteFile(p.path, data)
	}
}

// with adds more, which wins.
func (n networkProofs) with(more networkProofs) networkProofs {
	if n == nil {
		n = networkProofs{}
	}
	for network, shapes := range more {
		if n[network] == nil {
			n[network] = map[string]map[int]bool{}
		}
		for shape, counts := range shapes {
			if n[network][shape] == nil {
				n[network][shape] = map[int]bool{}
			}
			maps.Copy(n[network][shape], counts)
		}
	}
	return n
}
