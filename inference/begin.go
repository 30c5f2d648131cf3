package inference

import (
	"context"
	"slices"

	"cosmicman/diffusion"
)

// Start is one image to begin: image Image of a request, drawn with the seed
// Request.Seed + Image.
type Start struct {
	Request *Request
	Image   int
}

// Begin starts images. Every request is checked by itself: errs[i] is nil, or says
// why starts[i] has no sequence, which is *Error values for a request that cannot be
// drawn. Texts that are not kept from before are encoded together; where that
// fails, it fails for all that are left. An image to begin from that is not kept is
// encoded by itself, which takes about as long as decoding one.
func (m *Model) Begin(ctx context.Context, starts []Start) (seqs []*Sequence, errs []error) {
	seqs, errs = make([]*Sequence, len(starts)), make([]error, len(starts))
	checked := map[*Request]*Request{}
	faults := map[*Request]error{}
	var good []*Request
	for i, s := range starts {
		if _, done := checked[s.Request]; !done {
			var r *Request
			r, faults[s.Request] = m.checked(s.Request)
			if s.Request.Strength > 0 && s.Request.Init == nil {
				faults[s.Request] = &Error{"init image", "is missing, and strength needs one"}
			}
			checked[s.Request] = r
			if faults[s.Request] == nil {
				good = append(good, r)
			}
		}
		errs[i] = faults[s.Request]
	}
	if len(good) == 0 {
		return seqs, errs
	}
	combined := map[*Request]*combination{}
	good = slices.DeleteFunc(good, func(r *Request) bool {
		combined[r], faults[r] = m.combine(r.effective())
		return faults[r] != nil
	})
	texts, err := m.encodeRequests(ctx, good, combined)
	initials := map[*Request]*initial{}
	for i, s := range starts {
		if errs[i] != nil {
			continue
		}
		r := checked[s.Request]
		if errs[i] = faults[r]; errs[i] != nil {
			continue
		}
		if errs[i] = err; err != nil {
			continue
		}
		in, have := initials[r]
		if !have {
			if in, faults[s.Request] = m.initialOf(ctx, r); faults[s.Request] == nil {
				initials[r] = in
			}
		}
		if errs[i] = faults[s.Request]; errs[i] != nil {
			continue
		}
		cond, uncond := texts.of(m, r, combined[r])
		if seqs[i], errs[i] = m.start(r, r.Seed+uint64(s.Image), in, cond, uncond); errs[i] == nil {
			seqs[i].lora = combined[r]
		}
	}
	return seqs, errs
}

// Sequences starts the images of a request with seeds r.Seed, r.Seed + 1, ...
func (m *Model) Sequences(ctx context.Context, r *Request, count int) ([]*Sequence, error) {
	starts := make([]Start, count)
	for i := range starts {
		starts[i] = Start{r, i}
	}
	seqs, errs := m.Begin(ctx, starts)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return seqs, nil
}

func (m *Model) start(r *Request, seed uint64, in *initial, cond, uncond *conditioning) (*Sequence, error) {
	sampler, err := m.sampler(r)
	if err != nil {
		return nil, &Error{"sampler", err.Error()}
	}
	f := int64(m.VAE.Factor())
	s := &Sequence{
		request: r, seed: seed, cond: cond, uncond: uncond,
		sampler: sampler, timesteps: sampler.Timesteps(), noise: diffusion.NewNoise(seed),
		height: int64(r.Height) / f, width: int64(r.Width) / f,
	}
	s.begin(m, in)
	return s, nil
}
