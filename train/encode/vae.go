package encode

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"cosmicman/diffusion"
	"cosmicman/model"
	"cosmicman/networks"
	"cosmicman/ort"
	"cosmicman/weights"
)

// Picture is an image to encode.
type Picture struct {
	// Content tells pixels apart: all that they were made from, such as the digest of
	// the file, the crop, whether it is flipped, and how it was resized. Equal contents
	// of one size are equal pixels.
	Content       string
	Width, Height int // in pixels: multiples of the VAE's factor
	// Pixels makes them: [3, Height, Width] in [-1, 1]. It is called where the moments
	// are not kept.
	Pixels func(context.Context) ([]float32, error)
}

// Given are the pixels of a picture that have been made already.
func Given(pixels []float32) func(context.Context) ([]float32, error) {
	return func(context.Context) ([]float32, error) { return pixels, nil }
}

// VAE encodes pictures. Its methods may be called by several goroutines; one picture is
// encoded at a time, alone, so that nothing else has a say in its bits.
type VAE struct {
	network *network
	config  model.VAEConfig
	family  weights.Family
	store   store
	turn    sync.Mutex // of who encodes
}

// NewVAE makes no session: it is made when a picture is first encoded whose moments are
// not kept.
func NewVAE(rt *ort.Runtime, n *networks.Set, o Options) *VAE {
	return &VAE{network: newNetwork(rt, n.VAE.Component, o, n.VAE.Encoder), config: n.VAE.Config, family: n.Family, store: newStore(o)}
}

// Factor is how many pixels one latent is wide: 8.
func (v *VAE) Factor() int { return v.config.Factor() }

// Channels are the latents': 4.
func (v *VAE) Channels() int { return int(v.config.LatentChannels) }

// Moments are the mean and then the log-variance of a picture's latents:
// [2*channels, height/f, width/f]. They are shared and must not be changed.
func (v *VAE) Moments(ctx context.Context, p Picture) ([]float32, error) {
	n, err := v.size(p)
	if err != nil {
		return nil, err
	}
	key, err := v.key(ctx, p)
	if err != nil {
		return nil, err
	}
	if kept := v.store.get(key, n); kept != nil {
		return kept, nil
	}
	pixels, err := p.Pixels(ctx)
	if err != nil {
		return nil, err
	}
	return v.encode(ctx, key, p, pixels)
}

// size of the moments.
func (v *VAE) size(p Picture) (int, error) {
	if f := v.Factor(); p.Width < f || p.Height < f || p.Width%f != 0 || p.Height%f != 0 {
		return 0, fmt.Errorf("a picture of %dx%d pixels: expected multiples of %d", p.Width, p.Height, f)
	}
	return 2 * v.Channels() * (p.Width / v.Factor()) * (p.Height / v.Factor()), nil
}

func (v *VAE) key(ctx context.Context, p Picture) (Key, error) {
	identity := Key{}
	if v.store.cache != nil {
		var err error
		if identity, err = v.network.identify(ctx); err != nil {
			return Key{}, err
		}
	}
	return KeyOf("moments 1", string(identity[:]), strconv.FormatBool(v.store.half), p.Content, strconv.Itoa(p.Width), strconv.Itoa(p.Height)), nil
}

func (v *VAE) encode(ctx context.Context, key Key, p Picture, pixels []float32) ([]float32, error) {
	if len(pixels) != 3*p.Width*p.Height {
		return nil, fmt.Errorf("a picture of %dx%d pixels has %d values, expected %d", p.Width, p.Height, len(pixels), 3*p.Width*p.Height)
	}
	n, err := v.size(p)
	if err != nil {
		return nil, err
	}
	v.turn.Lock()
	defer v.turn.Unlock()
	if kept := v.store.get(key, n); kept != nil {
		return kept, nil // made while this one waited
	}
	out, err := v.network.run(ctx, map[string]ort.Tensor{"image": ort.Floats(pixels, 1, 3, int64(p.Height), int64(p.Width))})
	if err != nil {
		return nil, err
	}
	moments := out["moments"].Float32()
	if err := diffusion.CheckFinite(moments); err != nil {
		return nil, fmt.Errorf("the encoded picture: %w", err)
	}
	return v.store.put(key, moments), nil
}

// Free ends the encoder's session and gives its memory back. It is made again if a
// picture has to be encoded.
func (v *VAE) Free() error { return v.network.free() }
