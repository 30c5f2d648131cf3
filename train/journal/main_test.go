package journal

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cosmicman/train"
	"cosmicman/train/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock goes on by a second each time that it is asked.
func clock() func() time.Time {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time { now = now.Add(time.Second); return now }
}

// stepOfRun is a made-up step that follows from its number.
func stepOfRun(n, all int64) loop.StepReport {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	noise := 0.09 + 0.5/math.Sqrt(float64(n)+3) + 0.03*r.NormFloat64()
	hola := 0.25/math.Pow(float64(n)+2, 0.2) + 0.01*r.NormFloat64()
	return loop.StepReport{
		Step: n, Steps: all, Epoch: float64(n) / 40, Images: 4 * n,
		Losses:       train.Losses{Total: noise + hola, Parts: []train.Part{{Name: "noise", Value: noise}, {Name: "hola", Value: hola}}},
		LearningRate: 1e-4 * min(1, float64(n)/50), GradientNorm: math.Exp(r.NormFloat64()/3) / math.Sqrt(float64(n)),
		ImagesPerSecond: 3.2 + 0.1*r.NormFloat64(), Took: 1250 * time.Millisecond, Waited: 20 * time.Millisecond,
		Elapsed: time.Duration(n) * 1250 * time.Millisecond, Left: time.Duration(all-n) * 1250 * time.Millisecond,
	}
}

// drawing is a made-up sample of a step.
func drawing(step int64, i int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			img.Set(x, y, color.NRGBA{uint8(4*x + int(step)), uint8(4 * y), uint8(80 * i), 255})
		}
	}
	return img
}

func drawn(step int64, n int) (out []Sample) {
	for i := range n {
		out = append(out, Sample{Prompt: fmt.Sprintf("a full-body shot, an adult female number %d, a <b>red</b> & plaid coat, long straight blonde hair", i), Title: fmt.Sprintf("seed %d", 17+i), Image: drawing(step, i)})
	}
	return out
}

// tell makes the reports of steps after from up to to, of all.
func tell(t testing.TB, j *Journal, from, to, all int64) {
	t.Helper()
	for n := from + 1; n <= to; n++ {
		j.Step(stepOfRun(n, all))
		if n%100 == 0 {
			l := stepOfRun(n, all).Losses
			average := l
			average.Total *= 0.95
			j.Held(loop.HeldReport{Step: n, Steps: all, Losses: l, Average: &average, Images: 16, Took: time.Second})
			if err := j.Sync(); err != nil {
				t.Fatal(err)
			}
			j.Checkpoint(loop.CheckpointReport{Step: n, Dir: fmt.Sprintf("step-%08d", n), Bytes: 123456789, Took: time.Second})
		}
	}
}

func openJournal(t testing.TB, o Options) *Journal {
	t.Helper()
	if o.Folder == "" {
		o.Folder = t.TempDir()
	}
	if o.Now == nil {
		o.Now = clock()
	}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close(nil) })
	return j
}
