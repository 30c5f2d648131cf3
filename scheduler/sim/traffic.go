package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"cosmicman/job"
)

// Kind of tenant.
type Kind struct {
	Name       string
	Share      float64 // of jobs
	Tenants    int
	Images     [2]int             // of a job, least and most
	Priorities map[string]float64 // high, normal, low: their shares
	Deadline   float64            // share of jobs with one
	Cancel     float64            // share of jobs that are cancelled some time later
}

// Traffic is what arrives.
type Traffic struct {
	Load    float64 // of what the fleet could draw at best, averaged over the span
	Wave    float64 // 0 to 1: how much the rate swings in the course of the span
	Bursts  int     // in the span, each a hundredth of it long
	Burst   float64 // times the usual rate
	Kinds   []Kind
	Models  []string // the first is asked for most: four times in five where there are others
	Repeat  float64  // share of submissions that are sent twice, as after a lost answer
	Patient time.Duration
	// Drawing draws what is asked for; nil: four sizes from 512x512 to
	// 1024x1024, 10 to 50 steps, guidance in 7 of 10.
	Drawing func(r *rand.Rand) job.Drawing
}

// Day returns the traffic of a public site: people who wait, programs, and a few
// who draw in bulk.
func Day() Traffic {
	return Traffic{
		Load: 0.7, Wave: 0.5, Bursts: 12, Burst: 2.5, Models: []string{"people", "portraits"}, Repeat: 0.01, Patient: 2 * time.Minute,
		Kinds: []Kind{
			{Name: "person", Share: 0.70, Tenants: 5000, Images: [2]int{1, 4}, Priorities: map[string]float64{"high": 0.3, "normal": 0.7}, Deadline: 0.2, Cancel: 0.08},
			{Name: "program", Share: 0.28, Tenants: 60, Images: [2]int{1, 2}, Priorities: map[string]float64{"normal": 0.7, "low": 0.3}, Cancel: 0.02},
			{Name: "bulk", Share: 0.02, Tenants: 8, Images: [2]int{20, 100}, Priorities: map[string]float64{"normal": 0.3, "low": 0.7}, Cancel: 0.02},
		},
	}
}

// Mixed draws requests of one size with 10 to 50 steps, 7 of 10 with guidance.
func Mixed(r *rand.Rand) job.Drawing {
	d := job.Drawing{Prompt: "a person in a red coat", Sampler: "euler", Steps: 10 + r.IntN(41), GuidanceScale: 1, Width: 512, Height: 512, Seed: uint64(r.Uint32())}
	if r.Float64() < 0.7 {
		d.GuidanceScale = 7.5
	}
	return d
}

// anySize is Mixed in four sizes, half of them the usual one.
func anySize(r *rand.Rand) job.Drawing {
	d := Mixed(r)
	switch x := r.IntN(10); {
	case x < 3:
		d.Height = 768
	case x < 4:
		d.Width = 768
	case x < 5:
		d.Width, d.Height = 1024, 1024
	}
	return d
}

// source draws jobs from a Traffic.
type source struct {
	t      Traffic
	r      *rand.Rand
	span   time.Duration
	rate   float64 // jobs a second, averaged
	bursts []time.Duration
}

func newSource(t Traffic, r *rand.Rand) *source {
	if t.Drawing == nil {
		t.Drawing = anySize
	}
	return &source{t: t, r: r}
}

// plan lays out the bursts and makes the mean rate so that the fleet, which can draw so many device
// seconds a second, has the load that was asked for.
func (s *source) plan(span time.Duration, seconds func(job.Drawing) float64, capacity float64) {
	s.span = span
	for range s.t.Bursts {
		s.bursts = append(s.bursts, time.Duration(s.r.Float64()*float64(span)))
	}
	const tries = 4000
	sum := 0.0
	for range tries {
		k := s.kind()
		sum += seconds(s.t.Drawing(s.r)) * float64(k.Images[0]+k.Images[1]) / 2
	}
	s.rate = s.t.Load * capacity / (sum / tries)
}

// at returns the rate at a time of the span.
func (s *source) at(now time.Duration) float64 {
	rate := s.rate * (1 - s.t.Wave*math.Cos(2*math.Pi*float64(now)/float64(s.span)))
	for _, b := range s.bursts {
		if now >= b && now < b+s.span/100 {
			return rate * s.t.Burst
		}
	}
	return rate
}

// next returns when the job after now arrives: a Poisson process by thinning.
func (s *source) next(now time.Duration) time.Duration {
	most := s.rate * (1 + s.t.Wave) * max(1, s.t.Burst)
	for {
		now += duration(s.r.ExpFloat64() / most)
		if now > s.span || s.r.Float64()*most < s.at(now) {
			return now
		}
	}
}

func (s *source) kind() Kind {
	x := s.r.Float64()
	for _, k := range s.t.Kinds {
		if x -= k.Share; x < 0 {
			return k
		}
	}
	return s.t.Kinds[len(s.t.Kinds)-1]
}

// job draws one; at is the wall time of its arrival.
func (s *source) job(at time.Time) (spec job.Spec, k Kind) {
	k = s.kind()
	spec = job.Spec{Needs: job.Version, Tenant: fmt.Sprintf("%s-%d", k.Name, s.r.IntN(k.Tenants)), Model: s.t.Models[0],
		Count: k.Images[0] + s.r.IntN(k.Images[1]-k.Images[0]+1), Detached: true, Drawing: s.t.Drawing(s.r)}
	if len(s.t.Models) > 1 && s.r.IntN(5) == 0 {
		spec.Model = s.t.Models[1+s.r.IntN(len(s.t.Models)-1)]
	}
	x := s.r.Float64()
	for _, p := range []job.Priority{job.High, job.Normal, job.Low} {
		if x -= k.Priorities[p.String()]; x < 0 {
			spec.Priority = p
			break
		}
	}
	if s.r.Float64() < k.Deadline {
		spec.Deadline = at.Add(s.t.Patient)
	}
	return spec, k
}
