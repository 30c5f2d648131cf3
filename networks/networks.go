// Package networks opens the networks of a pipeline: it reads their configs, writes
// their graphs, and holds both against the weight files and against each other. What
// draws and what trains begin with the same.
package networks

import (
	"errors"
	"fmt"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/onnx"
	"cosmicman/tokenizer"
	"cosmicman/weights"
	"cosmicman/weights/bind"
)

// Set is a pipeline's networks.
type Set struct {
	*weights.Pipeline
	Texts    []Text // one, or SDXL's two
	UNet     UNet
	VAE      VAE
	Schedule diffusion.Config
}

// Text is a text encoder with the tokenizer that it is given.
type Text struct {
	Component *weights.Component
	Config    model.TextConfig // Tokens is what the tokenizer gives
	Graph     *onnx.Graph
	Tokenizer *tokenizer.Tokenizer
}

// UNet is what predicts noise.
type UNet struct {
	Component *weights.Component
	Config    model.UNetConfig
	Graph     *onnx.Graph
}

// VAE is the autoencoder, whose halves share one component.
type VAE struct {
	Component        *weights.Component
	Config           model.VAEConfig
	Encoder, Decoder *onnx.Graph
}

// Open reads every config of the pipeline, writes the graphs and checks them against
// the weight files. Every fault is named at once.
func Open(p *weights.Pipeline) (*Set, error) {
	s := &Set{Pipeline: p, UNet: UNet{Component: p.UNet}, VAE: VAE{Component: p.VAE}}
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
		s.Texts = append(s.Texts, Text{c, config, g, t})
	}
	var err error
	if s.UNet.Config, err = model.ParseUNet(p.UNet.Config.JSON); note(p.UNet.Config.Path, err) {
		if s.UNet.Graph, err = model.UNet(s.UNet.Config); note(p.UNet.Config.Path, err) {
			part(p.UNet, s.UNet.Graph)
		}
	}
	if s.VAE.Config, err = model.ParseVAE(p.VAE.Config.JSON); note(p.VAE.Config.Path, err) {
		var err2 error
		s.VAE.Decoder, err = model.VAEDecoder(s.VAE.Config)
		s.VAE.Encoder, err2 = model.VAEEncoder(s.VAE.Config)
		if note(p.VAE.Config.Path, errors.Join(err, err2)) {
			part(p.VAE, s.VAE.Decoder, s.VAE.Encoder)
		}
	}
	s.Schedule, err = diffusion.ParseConfig(p.Scheduler.JSON)
	note(p.Scheduler.Path, err)
	if len(faults) == 0 {
		faults = s.fit()
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
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
func (s *Set) fit() []error {
	var faults []error
	unet := s.UNet.Component.Dir
	want := func(what string, have, need int64, where string) {
		if have != need {
			faults = append(faults, fmt.Errorf("the UNet of %s does not fit %s: its %s is %d, expected %d", unet, where, what, have, need))
		}
	}
	base := s.Dir
	want("in_channels", s.UNet.Config.InChannels, s.VAE.Config.LatentChannels, "the VAE of "+base)
	want("out_channels", s.UNet.Config.OutChannels, s.VAE.Config.LatentChannels, "the VAE of "+base)
	var width int64
	for i := range s.Texts {
		t := &s.Texts[i]
		width += t.Config.Hidden
		if n := int64(t.Tokenizer.MaxLength()); n > t.Config.Positions {
			faults = append(faults, fmt.Errorf("tokenizer %d gives %d tokens, its text encoder takes %d", i+1, n, t.Config.Positions))
		}
		if n := int64(t.Tokenizer.VocabSize()); n > t.Config.Vocabulary {
			faults = append(faults, fmt.Errorf("tokenizer %d has ids up to %d, its text encoder's vocab_size is %d", i+1, n-1, t.Config.Vocabulary))
		}
	}
	if len(s.Texts) == 2 && s.Texts[0].Tokenizer.MaxLength() != s.Texts[1].Tokenizer.MaxLength() {
		faults = append(faults, fmt.Errorf("the tokenizers of %s give %d and %d tokens, expected as many", base,
			s.Texts[0].Tokenizer.MaxLength(), s.Texts[1].Tokenizer.MaxLength()))
	}
	want("cross_attention_dim", s.UNet.Config.CrossAttentionDim[0], width, "the text encoders of "+base)
	switch xl := s.Family == weights.SDXL; {
	case xl && !s.UNet.Config.TextTime:
		faults = append(faults, fmt.Errorf("the UNet of %s does not fit %s: it has no addition_embed_type text_time, which SDXL needs", unet, base))
	case !xl && s.UNet.Config.TextTime:
		faults = append(faults, fmt.Errorf("the UNet of %s does not fit %s: it has addition_embed_type text_time, which is SDXL's", unet, base))
	case xl:
		second := s.Texts[1].Config
		want("text embedding", s.UNet.Config.TextEmbedDim(), second.Projection, "the second text encoder of "+base)
	}
	return faults
}

// NativeSize is the width and height in pixels that the model was trained for,
// 0 and 0 where its config does not say. SD's first configs say 32 and mean 64,
// so diffusers' SD pipeline takes no less from a config of that age.
func (s *Set) NativeSize() (width, height int) {
	h, w := s.UNet.Config.SampleSize[0], s.UNet.Config.SampleSize[1]
	if s.UNet.Config.BeforeSampleSizes && s.Family == weights.SD {
		h, w = max(h, 64), max(w, 64)
	}
	f := s.VAE.Config.Factor()
	return int(w) * f, int(h) * f
}
