package picture

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// library is a C library as a WebAssembly module: without cgo, in a memory of its own
// that a fault in it cannot leave, and with the same bytes as result on every machine.
// It is compiled when it is first needed and kept for the life of the process.
type library struct {
	name    string
	machine func() (machine, error)
}

type machine struct {
	wazero.Runtime
	code wazero.CompiledModule
}

// newLibrary takes a module, packed by gzip, and the bytes of memory of one call.
func newLibrary(name string, packed []byte, memory int) *library {
	return &library{name, sync.OnceValues(func() (m machine, err error) {
		ctx := context.Background()
		unpacked, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return m, err
		}
		code, err := io.ReadAll(unpacked)
		if err != nil {
			return m, err
		}
		const page = 1 << 16
		m.Runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(memory/page)))
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.Runtime); err != nil {
			return m, err
		}
		m.code, err = m.CompileModule(ctx, code)
		return m, err
	})}
}

// instance is one instance of a library, for one image. It cannot be interrupted: what
// would allow that makes the code four times as slow, and an image takes less
// than half a second for 2 Mpx.
type instance struct {
	library string
	module  api.Module
}

func (l *library) open() (*instance, error) {
	m, err := l.machine()
	if err != nil {
		return nil, err
	}
	// The module is given no files, no clock and no output; without a name many may
	// be there at once.
	module, err := m.InstantiateModule(context.Background(), m.code, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, err
	}
	return &instance{l.name, module}, nil
}

// close frees the instance and its memory.
func (c *instance) close() { _ = c.module.Close(context.Background()) }

func (c *instance) call(name string, args ...uint64) (uint32, error) {
	out, err := c.module.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return uint32(out[0]), nil
}

// buffer is n bytes in the module's memory.
func (c *instance) buffer(n int) (at uint32, bytes []byte, err error) {
	at, err = c.call("malloc", uint64(n))
	if err != nil {
		return 0, nil, err
	}
	bytes, ok := c.module.Memory().Read(at, uint32(n))
	if at == 0 || !ok {
		return 0, nil, errors.New(c.library + " has too little memory")
	}
	return at, bytes, nil
}

// view is n bytes of the module's memory, until the next call.
func (c *instance) view(at, n uint32) ([]byte, error) {
	view, ok := c.module.Memory().Read(at, n)
	if !ok {
		return nil, fmt.Errorf("%s points out of its memory", c.library)
	}
	return view, nil
}

// read copies n bytes out of the module's memory.
func (c *instance) read(at, n uint32) ([]byte, error) {
	view, err := c.view(at, n)
	return bytes.Clone(view), err
}
