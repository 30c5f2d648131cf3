package inference

import (
	"errors"
	"runtime"
	"sync"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/networks"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tokenizer"
	"cosmicman/weights"
	"cosmicman/weights/lora"
)

// Settings say how sessions are made. The zero value is what was measured to be
// best on a CPU.
type Settings struct {
	Threads int    // 0: one a core
	Arena   bool   // see ort.SessionConfig
	Lean    bool   // see ort.SessionConfig
	Profile string // path prefix of ONNX Runtime's profiles, "" for none

	// TextCache bounds the encoded texts that each model keeps, in bytes; 0: 64 MiB,
	// below 0: nothing is kept.
	TextCache int64
	// Proofs of row counts outlive the model here; nil: they don't.
	Proofs *Proofs
}

// Model is an opened pipeline. Its methods may be called by several goroutines.
type Model struct {
	Pipeline *weights.Pipeline
	UNet     model.UNetConfig
	VAE      model.VAEConfig
	Schedule diffusion.Config

	set     *networks.Set
	texts   []textEncoder // one, or SDXL's two
	encoded *textCache
	images  *imageCache
	unet    *network
	decoder *network
	encoder *network

	adapted  map[string]*variants // the networks that LoRAs change, by their folders
	combined combinations

	namesOnce sync.Once
	loraNames *lora.Names
	namesErr  error

	sketches sketcher
}

type textEncoder struct {
	*network
	config    model.TextConfig
	tokenizer *tokenizer.Tokenizer
}

// Load opens the pipeline's networks, see [networks.Open]. Sessions are made by
// [Model.Warm] or when they are first needed.
func Load(rt *ort.Runtime, p *weights.Pipeline, s Settings) (*Model, error) {
	if s.Threads == 0 {
		s.Threads = runtime.NumCPU()
	}
	if s.TextCache == 0 {
		s.TextCache = 64 << 20
	}
	if s.Proofs == nil {
		s.Proofs = &Proofs{}
	}
	set, err := networks.Open(p)
	if err != nil {
		return nil, err
	}
	net := func(g *onnx.Graph, c *weights.Component) *network {
		return &network{graph: g, component: c, settings: s, runtime: rt}
	}
	m := &Model{
		Pipeline: p, UNet: set.UNet.Config, VAE: set.VAE.Config, Schedule: set.Schedule,
		set: set, encoded: newTextCache(s.TextCache), images: newImageCache(imageCacheBytes),
		unet: net(set.UNet.Graph, p.UNet), decoder: net(set.VAE.Decoder, p.VAE), encoder: net(set.VAE.Encoder, p.VAE),
	}
	for _, t := range set.Texts {
		m.texts = append(m.texts, textEncoder{net(t.Graph, t.Component), t.Config, t.Tokenizer})
	}
	m.adapted = map[string]*variants{lora.UNet: {plain: m.unet, component: lora.UNet}}
	for i := range m.texts {
		m.adapted[textParts[i]] = &variants{plain: m.texts[i].network, component: textParts[i]}
	}
	return m, nil
}

// Warm makes the sessions that drawing begins with, all at once.
func (m *Model) Warm() error { return m.warm(m.unet) }

// WarmAll is Warm with the VAE's decoder, for a model that will draw many images.
func (m *Model) WarmAll() error { return m.warm(m.unet, m.decoder) }

func (m *Model) warm(nets ...*network) error {
	for i := range m.texts {
		nets = append(nets, m.texts[i].network)
	}
	errs := make(chan error, len(nets))
	for _, n := range nets {
		go func() {
			_, err := n.load()
			errs <- err
		}()
	}
	var all []error
	for range nets {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// NativeSize is [networks.Set.NativeSize].
func (m *Model) NativeSize() (width, height int) { return m.set.NativeSize() }

// Tokenizer returns that of the first text encoder.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.texts[0].tokenizer }

// Close frees the sessions.
func (m *Model) Close() error {
	errs := []error{m.unet.close(), m.decoder.close(), m.encoder.close()}
	for i := range m.texts {
		errs = append(errs, m.texts[i].close())
	}
	for _, v := range m.adapted {
		errs = append(errs, v.close())
	}
	return errors.Join(errs...)
}
