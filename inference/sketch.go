package inference

import (
	"context"
	"encoding/binary"
	"image"
	"math"
	"sync"
	"sync/atomic"

	"cosmicman/diffusion"
	"cosmicman/weights"
)

// Sketches are a linear map of latents to colours. Published factors hold for the VAEs of
// Stable Diffusion and SDXL alone, and a model may have any, of any number of channels. So
// a model's map is fitted, by least squares, to the first images that it decodes. Before
// there are any, patches of noise are decoded: where the published factors tell what
// becomes of them, they are taken, since they were made of photographs, and else what
// fits the patches.
const (
	probePatches = 6   // a side
	probePatch   = 4   // latent pixels a side of a patch
	imagesFitted = 8   // that a map learns from
	mostLeft     = 0.8 // of the patches' variance, by published factors that are taken
)

// published factors, of colours from -1 to 1: ComfyUI's comfy/latent_formats.py.
var published = map[weights.Family][3][]float64{
	weights.SD: {
		{0.3512, 0.3250, -0.2829, -0.2120, 0},
		{0.2297, 0.4974, 0.1762, -0.2616, 0},
		{0.3227, 0.2350, 0.2721, -0.7177, 0},
	},
	weights.SDXL: {
		{0.3651, -0.2533, 0.1076, -0.3165, 0.1084},
		{0.4232, -0.0042, 0.1111, -0.2492, -0.0175},
		{0.4341, 0.1068, -0.0362, -0.2188, -0.0011},
	},
}

// sketcher is a model's map and what it was fitted to.
type sketcher struct {
	current atomic.Pointer[linear] // nil until PrepareSketches

	mu     sync.Mutex
	images int
	sums   *sums // of these
}

// linear maps a latent pixel to colours, 0 to 255: for each colour a factor a channel and
// a constant.
type linear [3][]float32

// sums of the normal equations: features are the channels and a 1.
type sums struct {
	n        int
	products []float64 // [n, n]
	targets  [3][]float64
	squares  [3]float64 // of the colours
}

func newSums(channels int) *sums {
	s := &sums{n: channels + 1}
	s.products = make([]float64, s.n*s.n)
	for c := range s.targets {
		s.targets[c] = make([]float64, s.n)
	}
	return s
}

// add takes latents [channels, plane] and the image that the decoder made of them, of factor
// times their size: each latent pixel stands against its block's mean.
func (s *sums) add(latents []float32, img *image.NRGBA, factor int) {
	w, h := img.Rect.Dx()/factor, img.Rect.Dy()/factor
	plane := w * h
	x := make([]float64, s.n)
	x[s.n-1] = 1
	for p := range plane {
		for c := range s.n - 1 {
			x[c] = float64(latents[c*plane+p])
		}
		var colour [3]int
		for dy := range factor {
			row := img.Pix[img.PixOffset(p%w*factor, p/w*factor+dy):]
			for dx := range factor {
				for c := range colour {
					colour[c] += int(row[4*dx+c])
				}
			}
		}
		for c := range colour {
			v := float64(colour[c]) / float64(factor*factor)
			s.squares[c] += v * v
		}
		for i, xi := range x {
			for k, xk := range x {
				s.products[i*s.n+k] += xi * xk
			}
			for c := range colour {
				s.targets[c][i] += xi * float64(colour[c]) / float64(factor*factor)
			}
		}
	}
}

// left is the share of the colours' variance that a map does not explain.
func (s *sums) left(l *linear) float64 {
	var left, all float64
	count := s.products[s.n*s.n-1]
	for c, factors := range l {
		left += s.squares[c]
		for i, fi := range factors {
			left -= 2 * float64(fi) * s.targets[c][i]
			for k, fk := range factors {
				left += float64(fi) * float64(fk) * s.products[i*s.n+k]
			}
		}
		sum := s.targets[c][s.n-1]
		all += s.squares[c] - sum*sum/count
	}
	return left / all
}

// solve returns the map with the least squared error. A little of each square is added, so
// that channels that do not vary do no harm.
func (s *sums) solve() *linear {
	n := s.n
	a := make([]float64, len(s.products))
	copy(a, s.products)
	for i := range n {
		a[i*n+i] += 1e-4*a[n*n-1] + 1e-9
	}
	b := s.targets
	for c := range b {
		b[c] = append([]float64(nil), b[c]...)
	}
	for i := range n { // a is positive definite: no pivots are needed
		for k := i + 1; k < n; k++ {
			f := a[k*n+i] / a[i*n+i]
			for j := i; j < n; j++ {
				a[k*n+j] -= f * a[i*n+j]
			}
			for c := range b {
				b[c][k] -= f * b[c][i]
			}
		}
	}
	var l linear
	for c := range l {
		x := make([]float64, n)
		for i := n - 1; i >= 0; i-- {
			sum := b[c][i]
			for j := i + 1; j < n; j++ {
				sum -= a[i*n+j] * x[j]
			}
			x[i] = sum / a[i*n+i]
		}
		for _, v := range x {
			l[c] = append(l[c], float32(v))
		}
	}
	return &l
}

// PrepareSketches decodes a little noise, once, so that there are sketches. It uses the
// device as Decode does, for a part of a usual image's decode. No image depends on it.
func (m *Model) PrepareSketches(ctx context.Context) error {
	k := &m.sketches
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current.Load() != nil {
		return nil
	}
	latents, side := probe(int(m.VAE.LatentChannels), 0)
	img, err := m.decode(ctx, latents, side, side)
	if err != nil {
		return err
	}
	sums := newSums(int(m.VAE.LatentChannels))
	sums.add(latents, img, m.VAE.Factor())
	colours := sums.solve()
	if known, ok := published[m.Pipeline.Family]; ok && m.VAE.LatentChannels == 4 {
		var p linear
		for c, factors := range known {
			for i, f := range factors {
				f *= 127.5
				if i == 4 {
					f += 127.5
				}
				p[c] = append(p[c], float32(f))
			}
		}
		if sums.left(&p) < mostLeft {
			colours = &p
		}
	}
	k.current.Store(colours)
	return nil
}

// probe returns patches of noise, square latents [channels, side, side].
func probe(channels int, seed uint64) (latents []float32, side int) {
	side = probePatches * probePatch
	patches := make([]float32, channels*probePatches*probePatches)
	diffusion.NewNoise(seed).Normal(patches)
	latents = make([]float32, channels*side*side)
	for i := range latents {
		c, y, x := i/(side*side), i/side%side, i%side
		latents[i] = patches[(c*probePatches+y/probePatch)*probePatches+x/probePatch]
	}
	return latents, side
}

// learn improves the map by an image, where there is a map.
func (k *sketcher) learn(latents []float32, img *image.NRGBA, factor int) {
	if k.current.Load() == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.images >= imagesFitted {
		return
	}
	if k.images++; k.sums == nil {
		k.sums = newSums(len(latents) * factor * factor / (img.Rect.Dx() * img.Rect.Dy()))
	}
	k.sums.add(latents, img, factor)
	k.current.Store(k.sums.solve())
}

// Sketch is what the last call of a sequence predicts, as latents. It belongs to its caller.
type Sketch struct {
	latents       []float32
	height, width int
	colours       *linear
}

// Sketch returns a rough and small picture of what the last call predicts; nil before the
// first, and without PrepareSketches.
func (m *Model) Sketch(s *Sequence) *Sketch {
	colours := m.sketches.current.Load()
	if colours == nil {
		return nil
	}
	clean := s.Preview()
	if clean == nil {
		return nil
	}
	return &Sketch{clean, int(s.height), int(s.width), colours}
}

// Image has two pixels a side for each of the latents: JPEG keeps colours at half the
// resolution. It may be called on any goroutine.
func (k *Sketch) Image() *image.NRGBA {
	const times = 2
	img := image.NewNRGBA(image.Rect(0, 0, times*k.width, times*k.height))
	plane := k.width * k.height
	channels := len(k.latents) / plane
	for p := range plane {
		pixel := uint32(0xff) << 24
		for c, factors := range k.colours {
			v := factors[channels]
			for i, f := range factors[:channels] {
				v += f * k.latents[i*plane+p]
			}
			if !math.IsNaN(float64(v)) {
				pixel |= uint32(min(max(v+0.5, 0), 255)) << (8 * c)
			}
		}
		at := img.PixOffset(p%k.width*times, p/k.width*times)
		for _, row := range [times]int{at, at + img.Stride} {
			binary.LittleEndian.PutUint32(img.Pix[row:], pixel)
			binary.LittleEndian.PutUint32(img.Pix[row+4:], pixel)
		}
	}
	return img
}
