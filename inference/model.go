package inference

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/ort"
	"cosmicman/tokenizer"
	"cosmicman/weights"
	"cosmicman/weights/bind"
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

// Load reads every config of the pipeline, writes the graphs and checks them
// against the weight files. Sessions are made by [Model.Warm] or when they are
// first needed. Every fault is named at once.
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
	m := &Model{Pipeline: p, encoded: newTextCache(s.TextCache), images: newImageCache(imageCacheBytes)}
	var faults []error
	note := func(path string, err error) bool {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
		}
		return err == nil
	}
	part := func(c *weights.Component, graphs ...*onnx.Graph) {
		if err := c.Index.Check(bind.Params(graphs...)); err != nil {
			faults = append(faults, err)
		}
	}
	net := func(g *onnx.Graph, c *weights.Component) *network {
		return &network{graph: g, component: c, settings: s, runtime: rt}
	}
	for i, c := range []*weights.Component{p.TextEncoder, p.TextEncoder2} {
		if c == nil {
			continue
		}
		config, err := model.ParseText(c.Config.JSON, i == 1)
		if !note(c.Config.Path, err) {
			continue
		}
		folder := []string{p.Tokenizer, p.Tokenizer2}[i]
		t, err := openTokenizer(folder, i)
		if note(folder, err) {
			config.Tokens = min(int64(t.MaxLength()), config.Positions) // fit names one that is longer
		}
		g, err := model.Text(config)
		if !note(c.Config.Path, err) {
			continue
		}
		part(c, g)
		if t == nil {
			continue
		}
		m.texts = append(m.texts, textEncoder{net(g, c), config, t})
	}
	var err error
	if m.UNet, err = model.ParseUNet(p.UNet.Config.JSON); note(p.UNet.Config.Path, err) {
		if g, err := model.UNet(m.UNet); note(p.UNet.Config.Path, err) {
			part(p.UNet, g)
			m.unet = net(g, p.UNet)
		}
	}
	if m.VAE, err = model.ParseVAE(p.VAE.Config.JSON); note(p.VAE.Config.Path, err) {
		dec, err := model.VAEDecoder(m.VAE)
		enc, err2 := model.VAEEncoder(m.VAE)
		if note(p.VAE.Config.Path, errors.Join(err, err2)) {
			part(p.VAE, dec, enc)
			m.decoder, m.encoder = net(dec, p.VAE), net(enc, p.VAE)
		}
	}
	m.Schedule, err = diffusion.ParseConfig(p.Scheduler.JSON)
	note(p.Scheduler.Path, err)
	if len(faults) == 0 {
		faults = m.fit()
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	m.adapted = map[string]*variants{lora.UNet: {plain: m.unet, component: lora.UNet}}
	for i := range m.texts {
		m.adapted[textParts[i]] = &variants{plain: m.texts[i].network, component: textParts[i]}
	}
	return m, nil
}

func openTokenizer(folder string, i int) (*tokenizer.Tokenizer, error) {
	if folder != "" {
		return tokenizer.Load(folder)
	}
	if i == 1 {
		return tokenizer.DefaultZeroPad(), nil
	}
	return tokenizer.Default(), nil
}

// fit finds parts that do not go together, such as an SDXL UNet in an SD base.
func (m *Model) fit() []error {
	var faults []error
	unet := m.Pipeline.UNet.Dir
	want := func(what string, have, need int64, where string) {
		if have != need {
			faults = append(faults, fmt.Errorf("the UNet of %s does not fit %s: its %s is %d, expected %d", unet, where, what, have, need))
		}
	}
	base := m.Pipeline.Dir
	want("in_channels", m.UNet.InChannels, m.VAE.LatentChannels, "the VAE of "+base)
	want("out_channels", m.UNet.OutChannels, m.VAE.LatentChannels, "the VAE of "+base)
	var width int64
	for i := range m.texts {
		t := &m.texts[i]
		width += t.config.Hidden
		if n := int64(t.tokenizer.MaxLength()); n > t.config.Positions {
			faults = append(faults, fmt.Errorf("tokenizer %d gives %d tokens, its text encoder takes %d", i+1, n, t.config.Positions))
		}
		if n := int64(t.tokenizer.VocabSize()); n > t.config.Vocabulary {
			faults = append(faults, fmt.Errorf("tokenizer %d has ids up to %d, its text encoder's vocab_size is %d", i+1, n-1, t.config.Vocabulary))
		}
	}
	if len(m.texts) == 2 && m.texts[0].tokenizer.MaxLength() != m.texts[1].tokenizer.MaxLength() {
		faults = append(faults, fmt.Errorf("the tokenizers of %s give %d and %d tokens, expected as many", base,
			m.texts[0].tokenizer.MaxLength(), m.texts[1].tokenizer.MaxLength()))
	}
	want("cross_attention_dim", m.UNet.CrossAttentionDim[0], width, "the text encoders of "+base)
	switch xl := m.Pipeline.Family == weights.SDXL; {
	case xl && !m.UNet.TextTime:
		faults = append(faults, fmt.Errorf("the UNet of %s does not fit %s: it has no addition_embed_type text_time, which SDXL needs", unet, base))
	case !xl && m.UNet.TextTime:
		faults = append(faults, fmt.Errorf("the UNet of %s does not fit %s: it has addition_embed_type text_time, which is SDXL's", unet, base))
	case xl:
		second := m.texts[1].config
		want("text embedding", m.UNet.TextEmbedDim(), second.Projection, "the second text encoder of "+base)
	}
	return faults
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

// NativeSize is the width and height in pixels that the model was trained for,
// 0 and 0 where its config does not say. SD's first configs say 32 and mean 64,
// so diffusers' SD pipeline takes no less from a config of that age.
func (m *Model) NativeSize() (width, height int) {
	h, w := m.UNet.SampleSize[0], m.UNet.SampleSize[1]
	if m.UNet.BeforeSampleSizes && m.Pipeline.Family == weights.SD {
		h, w = max(h, 64), max(w, 64)
	}
	f := m.VAE.Factor()
	return int(w) * f, int(h) * f
}

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
