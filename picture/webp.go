package picture

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // libwebp
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// libwebp is libwebp 1.4.0 as a WebAssembly module, made by libwebp/build.sh: without
// cgo, in a memory of its own that a fault in it cannot leave, and with the same bytes
// as result on every machine.
//
//go:embed libwebp/webp.wasm.gz
var libwebp []byte

// webpMemory bounds the memory of one call: encoding takes about 20 bytes a pixel.
const webpMemory = 512 << 20

// webpMethod trades time for size, 0 to 6: 2 makes files 3 % larger than libwebp's
// default, 4, in a third of its time.
const webpMethod = 2

// webpMachine is libwebp, compiled when it is first needed and kept for the life of
// the process.
var webpMachine = sync.OnceValues(func() (m struct {
	wazero.Runtime
	code wazero.CompiledModule
}, err error) {
	ctx := context.Background()
	unpacked, err := gzip.NewReader(bytes.NewReader(libwebp))
	if err != nil {
		return m, err
	}
	code, err := io.ReadAll(unpacked)
	if err != nil {
		return m, err
	}
	const page = 1 << 16
	m.Runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(webpMemory/page))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.Runtime); err != nil {
		return m, err
	}
	m.code, err = m.CompileModule(ctx, code)
	return m, err
})

// webpCall is one instance of libwebp, for one call. It cannot be interrupted: what
// would allow that makes the code four times as slow, and an image takes less
// than half a second for 2 Mpx.
type webpCall struct{ module api.Module }

func newWebPCall() (*webpCall, error) {
	m, err := webpMachine()
	if err != nil {
		return nil, err
	}
	// The module is given no files, no clock and no output; without a name many may
	// be there at once.
	module, err := m.InstantiateModule(context.Background(), m.code, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, err
	}
	return &webpCall{module}, nil
}

// close frees the instance and its memory.
func (c *webpCall) close() { _ = c.module.Close(context.Background()) }

func (c *webpCall) call(name string, args ...uint64) (uint32, error) {
	out, err := c.module.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return uint32(out[0]), nil
}

// buffer is n bytes in the module's memory.
func (c *webpCall) buffer(n int) (at uint32, bytes []byte, err error) {
	at, err = c.call("malloc", uint64(n))
	if err != nil {
		return 0, nil, err
	}
	bytes, ok := c.module.Memory().Read(at, uint32(n))
	if at == 0 || !ok {
		return 0, nil, errors.New("libwebp has too little memory")
	}
	return at, bytes, nil
}

// read copies n bytes out of the module's memory.
func (c *webpCall) read(at, n uint32) ([]byte, error) {
	view, ok := c.module.Memory().Read(at, n)
	if !ok {
		return nil, errors.New("libwebp points out of its memory")
	}
	return bytes.Clone(view), nil
}

// webpFile is an image as libwebp writes it: RIFF and one chunk, VP8, or with alpha
// VP8X, ALPH and VP8.
func webpFile(img *image.NRGBA, quality int) ([]byte, error) {
	c, err := newWebPCall()
	if err != nil {
		return nil, err
	}
	defer c.close()
	w, h := img.Rect.Dx(), img.Rect.Dy()
	pixels, into, err := c.buffer(4 * w * h)
	if err != nil {
		return nil, err
	}
	for y := range h {
		copy(into[4*w*y:][:4*w], img.Pix[img.Stride*y:])
	}
	size, _, err := c.buffer(4)
	if err != nil {
		return nil, err
	}
	file, err := c.call("encode", uint64(pixels), uint64(w), uint64(h), api.EncodeF32(float32(quality)), webpMethod, uint64(size))
	if err != nil {
		return nil, err
	}
	if file == 0 {
		return nil, fmt.Errorf("libwebp did not encode %dx%d pixels", w, h)
	}
	n, err := c.read(size, 4)
	if err != nil {
		return nil, err
	}
	return c.read(file, binary.LittleEndian.Uint32(n))
}

// webpPixels decodes a still image of a known size.
func webpPixels(data []byte, w, h int) (*image.NRGBA, error) {
	c, err := newWebPCall()
	if err != nil {
		return nil, err
	}
	defer c.close()
	file, into, err := c.buffer(len(data))
	if err != nil {
		return nil, err
	}
	copy(into, data)
	pixels, _, err := c.buffer(4 * w * h)
	if err != nil {
		return nil, err
	}
	whole, err := c.call("decode", uint64(file), uint64(len(data)), uint64(pixels), uint64(w), uint64(h))
	if err != nil {
		return nil, err
	}
	if whole == 0 {
		return nil, errors.New("libwebp does not decode it")
	}
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	view, ok := c.module.Memory().Read(pixels, uint32(len(out.Pix)))
	if !ok {
		return nil, errors.New("libwebp points out of its memory")
	}
	copy(out.Pix, view)
	return out, nil
}
