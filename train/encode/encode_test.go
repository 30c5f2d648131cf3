package encode

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"cosmicman/diffusion"
	"cosmicman/networks"
	"cosmicman/ort"
	"cosmicman/train"
	"cosmicman/weights"
)

func newTexts(t testing.TB, rt *ort.Runtime, p *weights.Pipeline, o Options) *Texts {
	t.Helper()
	o.Threads = cmp.Or(o.Threads, 1)
	set, err := networks.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	texts := NewTexts(rt, set, o)
	t.Cleanup(func() { texts.Free() })
	return texts
}

func newVAE(t testing.TB, rt *ort.Runtime, p *weights.Pipeline, o Options) *VAE {
	t.Helper()
	o.Threads = cmp.Or(o.Threads, 1)
	set, err := networks.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVAE(rt, set, o)
	t.Cleanup(func() { v.Free() })
	return v
}

func encodeTexts(t testing.TB, texts *Texts, captions ...string) []Text {
	t.Helper()
	out, err := texts.Encode(t.Context(), captions)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same32(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// pictureOf is w x h pixels that follow from a number.
func pictureOf(n, w, h int) Picture {
	pixels := make([]float32, 3*w*h)
	for i := range pixels {
		pixels[i] = float32((i*(n+3))%256)/127.5 - 1
	}
	return Picture{Content: fmt.Sprint("picture ", n), Width: w, Height: h, Pixels: Given(pixels)}
}

func TestTextsAreIndependent(t *testing.T) {
	rt := openRuntime(t)
	p := pipeline(t, "tiny-sdxl", 0)
	captions := []string{"a headshot", "a full-body shot, fit", "", "a beige wall", "long red hair", "a blue coat", "a hat"}
	var alone []Text
	one := newTexts(t, rt, p, Options{Memory: -1})
	for _, c := range captions {
		alone = append(alone, encodeTexts(t, one, c)...)
	}
	for _, rows := range []int{0, 3} {
		texts := newTexts(t, rt, p, Options{Memory: -1, Rows: rows})
		for round := range 2 { // the first tries out what may run together
			for i, got := range encodeTexts(t, texts, captions...) {
				if !same32(got.States, alone[i].States) || !same32(got.Pooled, alone[i].Pooled) {
					t.Errorf("%d rows, round %d: %q is another than alone", rows, round, captions[i])
				}
			}
		}
	}
}

func TestTextsShapes(t *testing.T) {
	rt := openRuntime(t)
	for name, pooled := range map[string]bool{"tiny-sd": false, "tiny-sdxl": true} {
		texts := newTexts(t, rt, pipeline(t, name, 0), Options{})
		caption := "a headshot, long red hair"
		got := encodeTexts(t, texts, caption)[0]
		if texts.Tokens() != 77 || len(got.States) != 77*texts.Width() || len(got.Pooled) != texts.PooledWidth() || (texts.PooledWidth() > 0) != pooled {
			t.Errorf("%s: %d states, %d pooled", name, len(got.States), len(got.Pooled))
		}
		hair := strings.Index(caption, "long")
		if span := train.TokenSpan(got.Window, caption, [2]int{hair, len(caption)}); span != [2]int{4, 7} {
			t.Errorf("%s: the hair is at %v", name, span)
		}
	}
}

func TestBadCaption(t *testing.T) {
	texts := newTexts(t, openRuntime(t), pipeline(t, "tiny-sd", 0), Options{})
	if _, err := texts.Encode(t.Context(), []string{"fine", "not \xff text"}); err == nil || !strings.Contains(err.Error(), `not \xff text`) {
		t.Errorf("error %v", err)
	}
}

// TestKeptOnDisk opens a pipeline again, with and without the cache of before: equal
// bits, and with it no session.
func TestKeptOnDisk(t *testing.T) {
	rt := openRuntime(t)
	p := pipeline(t, "tiny-sdxl", 0)
	dir := t.TempDir()
	captions := []string{"a headshot", "a hat"}
	for _, half := range []bool{false, true} {
		var texts [][]Text
		var moments [][]float32
		for round := range 3 {
			o := Options{Half: half}
			if round < 2 {
				o.Cache = openCache(t, dir, 0, refused(t))
			}
			of, v := newTexts(t, rt, p, o), newVAE(t, rt, p, o)
			texts = append(texts, encodeTexts(t, of, captions...))
			m, err := v.Moments(t.Context(), pictureOf(1, 16, 24))
			if err != nil {
				t.Fatal(err)
			}
			moments = append(moments, m)
			if made := of.encoders[0].session != nil; made == (round == 1) || made != (v.network.session != nil) {
				t.Errorf("half %t, round %d: a session: %t", half, round, made)
			}
			if err := o.Cache.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for round := 1; round < 3; round++ {
			for i := range captions {
				if !same32(texts[0][i].States, texts[round][i].States) || !same32(texts[0][i].Pooled, texts[round][i].Pooled) {
					t.Errorf("half %t, round %d: other states", half, round)
				}
			}
			if !same32(moments[0], moments[round]) {
				t.Errorf("half %t, round %d: other moments", half, round)
			}
		}
	}
}

// TestKeysFollowContent: another picture, size, precision, model or weight is another
// entry; the same weights elsewhere are the same.
func TestKeysFollowContent(t *testing.T) {
	rt := openRuntime(t)
	cache := openCache(t, t.TempDir(), 0, refused(t))
	p := pipeline(t, "tiny-sd", 0)
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(p.Dir)); err != nil {
		t.Fatal(err)
	}
	changed := t.TempDir()
	if err := os.CopyFS(changed, os.DirFS(p.Dir)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"} {
		path := changed + "/" + part
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-3] ^= 0x10
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	moments := map[Key]string{}
	texts := map[Key]string{}
	note := func(seen map[Key]string, key Key, err error, name, like string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if was := seen[key]; was != like {
			t.Errorf("%s has the key of %q, want of %q", name, was, like)
		}
		if seen[key] == "" {
			seen[key] = name
		}
	}
	for _, c := range []struct {
		name, like string
		p          *weights.Pipeline
		o          Options
	}{
		{"first", "", p, Options{}}, {"copied", "first", open(t, copied), Options{}}, {"half", "", p, Options{Half: true}},
		{"changed", "", open(t, changed), Options{}}, {"seed", "", pipeline(t, "tiny-sd", 1), Options{}},
		{"threads", "", p, Options{Threads: 2}}, {"lean", "", p, Options{Lean: true}}, {"rows", "first", p, Options{Rows: 4}},
	} {
		o := c.o
		o.Cache = cache
		v := newVAE(t, rt, c.p, o)
		key, err := v.key(t.Context(), pictureOf(1, 16, 24))
		note(moments, key, err, c.name, c.like)
		of := newTexts(t, rt, c.p, o)
		windows, _, err := of.Windows("a hat")
		if err != nil {
			t.Fatal(err)
		}
		key, err = of.key(t.Context(), windows)
		note(texts, key, err, c.name, c.like)
	}
	v := newVAE(t, rt, p, Options{Cache: cache})
	for _, pic := range []Picture{pictureOf(2, 16, 24), pictureOf(1, 24, 16)} {
		key, err := v.key(t.Context(), pic)
		note(moments, key, err, pic.Content, "")
	}
}

func TestSampleIsTheMeanWithoutNoise(t *testing.T) {
	v := newVAE(t, openRuntime(t), pipeline(t, "tiny-sd", 0), Options{})
	m, err := v.Moments(t.Context(), pictureOf(1, 32, 16))
	if err != nil {
		t.Fatal(err)
	}
	n := len(m) / 2
	mean, drawn, noise := make([]float32, n), make([]float32, n), make([]float32, n)
	v.Sample(mean, m, nil)
	v.Sample(drawn, m, diffusion.NewNoise(3))
	diffusion.NewNoise(3).Normal(noise)
	factor := v.config.ScalingFactor
	for i := range n {
		deviation := math.Exp(0.5 * float64(m[n+i]))
		if math.Abs(float64(mean[i])-factor*float64(m[i])) > 1e-6 {
			t.Fatalf("the mean %d is %g of %g", i, mean[i], m[i])
		}
		if want := factor * (float64(m[i]) + deviation*float64(noise[i])); math.Abs(float64(drawn[i])-want) > 1e-5*(1+math.Abs(want)) {
			t.Fatalf("latent %d is %g, want %g", i, drawn[i], want)
		}
	}
}

func TestPictureFaults(t *testing.T) {
	v := newVAE(t, openRuntime(t), pipeline(t, "tiny-sd", 0), Options{})
	small := pictureOf(1, 16, 16)
	small.Pixels = Given(make([]float32, 5))
	infinite := pictureOf(1, 16, 16)
	infinite.Pixels = Given(slices.Repeat([]float32{float32(math.NaN())}, 3*16*16))
	unread := pictureOf(1, 16, 16)
	unread.Pixels = func(context.Context) ([]float32, error) { return nil, errors.New("no such file") }
	for want, p := range map[string]Picture{
		"expected multiples of": pictureOf(1, 15, 16),
		"of 0x16 pixels":        pictureOf(1, 0, 16),
		"5 values, expected":    small,
		"the encoded picture":   infinite,
		"no such file":          unread,
	} {
		if _, err := v.Moments(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestPrefill encodes ahead, frees the session and needs it no more.
func TestPrefill(t *testing.T) {
	rt := openRuntime(t)
	p := pipeline(t, "tiny-sd", 0)
	cache := openCache(t, t.TempDir(), 0, refused(t))
	v := newVAE(t, rt, p, Options{Cache: cache, Memory: -1})
	const n = 6
	at := func(i int) (Picture, error) {
		if i == 3 {
			return Picture{}, errors.New("cannot be read")
		}
		return pictureOf(i, 16, 16), nil
	}
	if err := v.Prefill(t.Context(), n, at, nil, nil); err == nil || !strings.Contains(err.Error(), "picture 4 of 6: cannot be read") {
		t.Errorf("error %v", err)
	}
	var last Progress
	var skipped []int
	err := v.Prefill(t.Context(), n, at, func(i int, err error) { skipped = append(skipped, i) }, func(p Progress) { last = p })
	if err != nil || last != (Progress{n, n, 2}) || !slices.Equal(skipped, []int{3}) {
		t.Errorf("%+v, skipped %v: %v", last, skipped, err)
	}
	texts := newTexts(t, rt, p, Options{Cache: cache, Memory: -1})
	captions := []string{"a", "b", "c", "a", "d", "e", "f", "g", "h", "i", "j"}
	for _, made := range []int{11, 0} {
		err := texts.Prefill(t.Context(), len(captions), func(i int) string { return captions[i] }, func(p Progress) { last = p })
		if err != nil || last != (Progress{11, 11, made}) {
			t.Errorf("%+v: %v", last, err)
		}
	}
	if err := errors.Join(v.Free(), texts.Free()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Moments(t.Context(), pictureOf(5, 16, 16)); err != nil || v.network.session != nil {
		t.Errorf("a session was made again: %v", err)
	}
	encodeTexts(t, texts, captions...)
	if texts.encoders[0].session != nil {
		t.Error("a session was made again")
	}
	if _, err := v.Moments(t.Context(), pictureOf(50, 16, 16)); err != nil {
		t.Errorf("after it was freed: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := v.Prefill(stopped, n, at, func(int, error) {}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of what was stopped", err)
	}
}

// TestRowsThatDepend runs made-up networks in which rows have a say in each other: every
// row's result is that which it has alone.
func TestRowsThatDepend(t *testing.T) {
	for name, depends := range map[string]func(rows []int, i int) float32{
		"not at all":          func([]int, int) float32 { return 0 },
		"on the place":        func(_ []int, i int) float32 { return float32(i) },
		"on the other row":    func(rows []int, i int) float32 { return float32(rows[0] + rows[len(rows)-1] - 2*rows[i]) },
		"on the number":       func(rows []int, _ int) float32 { return float32(len(rows)) },
		"on the number of 4s": func(rows []int, i int) float32 { return float32(len(rows) / 4 * i) },
	} {
		for most := range 6 {
			r := rows{most: most}
			do := func(_ context.Context, rows []int) ([]map[string][]float32, error) {
				if len(rows) > max(most, base) || len(rows) < base {
					t.Errorf("%d rows in a call", len(rows))
				}
				var out []map[string][]float32
				for i, row := range rows {
					out = append(out, map[string][]float32{"x": {float32(row) + 100*depends(rows, i)}})
				}
				return out, nil
			}
			for _, n := range []int{1, 2, 3, 9, 13} {
				got, err := r.run(t.Context(), n, do)
				if err != nil || len(got) != n {
					t.Fatalf("%d rows: %v", len(got), err)
				}
				for i := range got {
					if want := float32(i) + 100*depends([]int{i, i}, 0); got[i]["x"][0] != want {
						t.Errorf("%s, %d of %d rows at most %d: %g, want %g", name, i, n, most, got[i]["x"][0], want)
					}
				}
			}
		}
	}
}

func TestBytesOfValues(t *testing.T) {
	values := []float32{1, -2.5, 1e-3, 65000}
	for half, size := range map[bool]int{false: 17, true: 9} {
		data := bytesOf(values, half)
		got, ok := valuesOf(data, 4)
		if !ok || len(data) != size || math.Abs(float64(got[2])-1e-3) > 1e-6 {
			t.Errorf("half %t: %d bytes, %v", half, len(data), got)
		}
		for _, bad := range [][]byte{nil, data[:len(data)-1], append(bytes.Clone(data), 0), append([]byte{9}, data[1:]...)} {
			if _, ok := valuesOf(bad, 4); ok {
				t.Errorf("%d bytes were read", len(bad))
			}
		}
	}
	if data := bytesOf([]float32{1e6}, true); len(data) != 5 {
		t.Error("a number beyond float16 was written as one")
	}
}

// TestKeysAreMadeDuringARun: who only looks up what is kept does not wait for a picture
// that is being encoded.
func TestKeysAreMadeDuringARun(t *testing.T) {
	v := newVAE(t, openRuntime(t), pipeline(t, "tiny-sd", 0), Options{Cache: openCache(t, t.TempDir(), 0, refused(t))})
	kept := pictureOf(1, 16, 16)
	want, err := v.Moments(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	v.turn.Lock() // as if one were encoded
	v.network.mu.RLock()
	got, err := v.Moments(t.Context(), kept)
	v.network.mu.RUnlock()
	v.turn.Unlock()
	if err != nil || !same32(got, want) {
		t.Errorf("other moments: %v", err)
	}
}

// TestOnePictureIsEncodedOnce however many ask for it at the same time.
func TestOnePictureIsEncodedOnce(t *testing.T) {
	v := newVAE(t, openRuntime(t), pipeline(t, "tiny-sd", 0), Options{})
	p := pictureOf(1, 16, 16)
	made := make(chan []float32, 8)
	var group errgroup.Group
	for range cap(made) {
		group.Go(func() error {
			m, err := v.Moments(t.Context(), p)
			made <- m
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	first := <-made
	for range cap(made) - 1 {
		if m := <-made; &m[0] != &first[0] {
			t.Error("it was encoded twice")
		}
	}
}
