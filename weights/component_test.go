package weights

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cosmicman/tensor"
)

func open(t *testing.T, kind Kind, dir string) *Component {
	t.Helper()
	c, err := OpenComponent("part", kind, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values reads every tensor of a component by canonical name.
func values(t *testing.T, x *Index) map[string][]float32 {
	t.Helper()
	all := make(map[string][]float32)
	for _, n := range x.Names() {
		e, ok := x.Lookup(n)
		if !ok || e.Name != n {
			t.Fatalf("%s: %+v", n, e)
		}
		all[n] = make([]float32, e.Length/int64(e.DType.Size()))
		if err := ReadFloat32(all[n], e); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// wants is what a network of these weights would ask for.
func wants(x *Index) []Param {
	var ps []Param
	for _, n := range x.Names() {
		e, _ := x.Lookup(n)
		ps = append(ps, Param{n, e.Shape})
	}
	return ps
}

// TestLayouts opens one network in every layout: the same tensors under the
// same names.
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		kind    Kind
		plain   string
		layouts []string
	}{
		{VAE, "vae", []string{"vae-old", "vae-conv", "vae-sharded", "vae-fp16", "vae-sharded-fp16"}},
		{TextEncoder, "text", []string{"text-old"}},
		{TextEncoder, "text-projection", []string{"text-projection-sharded-fp16"}},
	} {
		plain := open(t, c.kind, "testdata/"+c.plain)
		want := values(t, plain.Index)
		if len(want) == 0 {
			t.Fatal("no tensors")
		}
		for _, layout := range c.layouts {
			got := open(t, c.kind, "testdata/"+layout)
			if err := got.Index.Check(wants(plain.Index)); err != nil {
				t.Errorf("%s: %v", layout, err)
			}
			variant, files := "", 1
			if strings.HasSuffix(layout, "fp16") {
				variant = "fp16"
			}
			if strings.Contains(layout, "sharded") {
				files = 2
			}
			if got.Variant != variant || len(got.Index.Files()) < files || len(got.Unused) > 0 {
				t.Errorf("%s: variant %q, files %q, unused %q", layout, got.Variant, got.Index.Files(), got.Unused)
			}
			for name, v := range values(t, got.Index) {
				if variant == "" && !slices.Equal(v, want[name]) {
					t.Errorf("%s: %s differs", layout, name)
				}
			}
		}
	}
	if x := open(t, TextEncoder, "testdata/text").Index; !slices.Contains(x.Names(), "text_model.embeddings.token_embedding.weight") {
		t.Errorf("names %v", x.Names())
	}
	x := open(t, VAE, "testdata/vae-old").Index
	if e, ok := x.Lookup("encoder.mid_block.attentions.0.to_out.0.weight"); !ok || e.Key != "encoder.mid_block.attentions.0.proj_attn.weight" {
		t.Errorf("%+v", e)
	}
	old := open(t, TextEncoder, "testdata/text-old").Index
	if _, ok := old.Lookup("text_model.embeddings.position_ids"); ok || len(old.Ignored()) != 1 {
		t.Errorf("position_ids are not left out: %v", old.Ignored())
	}
}

func TestChoice(t *testing.T) {
	const index = `{"weight_map":{"x":"s-1-of-1.safetensors"}}`
	for _, c := range []struct {
		files, kind, variant, want string
	}{
		{"model.safetensors model.fp16.safetensors", "text", "", "model.safetensors"},
		{"model.safetensors model.fp16.safetensors", "text", "fp16", "model.fp16.safetensors"},
		{"model.safetensors", "text", "fp16", "model.safetensors"},
		{"model.fp16.safetensors model.bf16.safetensors", "text", "", "model.fp16.safetensors"},
		{"diffusion_pytorch_model.safetensors diffusion_pytorch_model.non_ema.safetensors", "unet", "", "diffusion_pytorch_model.safetensors"},
		{"diffusion_pytorch_model.non_ema.safetensors", "unet", "", "diffusion_pytorch_model.non_ema.safetensors"},
		{"diffusion_pytorch_model.non_ema.safetensors", "unet", "fp16", "diffusion_pytorch_model.non_ema.safetensors"},
		{"diffusion_pytorch_model.a.safetensors diffusion_pytorch_model.b.safetensors", "unet", "", "! variants a, b"},
		{"model.safetensors diffusion_pytorch_model.safetensors", "unet", "", "diffusion_pytorch_model.safetensors"},
		{"model.safetensors diffusion_pytorch_model.safetensors", "text", "", "model.safetensors"},
		{"model.safetensors", "unet", "", "model.safetensors"},
		{"model.safetensors pytorch_model.bin", "text", "", "model.safetensors"},
		{"diffusion_pytorch_model.safetensors.index.fp16.json s-1-of-1.safetensors", "unet", "", "s-1-of-1.safetensors"},
		{"diffusion_pytorch_model.fp16.safetensors.index.json s-1-of-1.safetensors", "unet", "", "s-1-of-1.safetensors"},
		{"diffusion_pytorch_model.safetensors.fp16.index.json s-1-of-1.safetensors", "unet", "", "s-1-of-1.safetensors"},
		{"diffusion_pytorch_model.safetensors.index.json diffusion_pytorch_model.safetensors s-1-of-1.safetensors", "unet", "", "s-1-of-1.safetensors"},
		{"model.safetensors.index.json model.safetensors s-1-of-1.safetensors", "text", "", "model.safetensors"},
		{"model.fp16-00001-of-00002.safetensors", "text", "", "! shard model.fp16-00001-of-00002.safetensors but no index"},
		{"model-00001-of-00002.safetensors", "text", "", "! no index"},
		{"pytorch_model.bin", "text", "", "! pytorch_model.bin, a pickle"},
		{"diffusion_pytorch_model.ckpt", "unet", "", "! a pickle"},
		{"other.safetensors", "unet", "", "! other.safetensors, but no diffusion_pytorch_model.safetensors"},
		{"", "unet", "", "! no weights"},
	} {
		dir := t.TempDir()
		write(t, dir+"/config.json", "{}")
		for _, f := range strings.Fields(c.files) {
			switch {
			case strings.HasSuffix(f, ".json"):
				write(t, filepath.Join(dir, f), index)
			case strings.HasSuffix(f, ".safetensors"):
				writeTensors(t, filepath.Join(dir, f), "x")
			default:
				write(t, filepath.Join(dir, f), "\x80\x02")
			}
		}
		kind := UNet
		if c.kind == "text" {
			kind = TextEncoder
		}
		got, err := OpenComponent("part", kind, dir, c.variant)
		if words, ok := strings.CutPrefix(c.want, "! "); ok {
			wantError(t, err, "part: "+dir, words)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.files, err)
			continue
		}
		if f := filepath.Base(got.Index.Files()[0]); f != c.want {
			t.Errorf("%s for %s, variant %q: took %s, want %s", c.files, c.kind, c.variant, f, c.want)
		}
	}
}

func TestShardsDisagree(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/config.json", "{}")
	writeTensors(t, dir+"/a.safetensors", "x", "y", "left")
	writeTensors(t, dir+"/b.safetensors", "z", "y")
	index := dir + "/model.safetensors.index.json"
	write(t, index, `{"metadata":{"total_size":1.5},"weight_map":{"x":"a.safetensors","y":"a.safetensors","z":"a.safetensors","gone":"b.safetensors","lost":"c.safetensors"}}`)
	_, err := OpenComponent("text_encoder", TextEncoder, dir, "")
	wantError(t, err, "text_encoder: ", index,
		"tensor left of a.safetensors is not in the index",
		"tensor z is not in a.safetensors",
		"tensor z is in b.safetensors, the index places it in a.safetensors",
		"tensor y is in b.safetensors, the index places it in a.safetensors",
		"tensor gone is not in b.safetensors",
		"c.safetensors: no such file")
}

func TestShardIndexRefused(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`{}`, "weight_map is missing"},
		{`{"weight_map":{}}`, "missing or empty"},
		{`{"weight_map":{"x":"../a.safetensors"}}`, "not the name of"},
		{`{"weight_map":{"x":"/etc/a.safetensors"}}`, "not the name of"},
		{`{"weight_map":{"x":"sub/a.safetensors"}}`, "not the name of"},
		{`{"weight_map":{"x":"sub\\a.safetensors"}}`, "not the name of"},
		{`{"weight_map":{"x":"a\u0000.safetensors"}}`, "not the name of"},
		{`{"weight_map":{"x":".safetensors"}}`, "not the name of"},
		{`{"weight_map":{"x":"a.bin"}}`, "not the name of"},
		{`{"weight_map":{"x":""}}`, "not the name of"},
		{`{"weight_map":{"x":1}}`, "weight_map: tensor x: a string is expected"},
		{`{"weight_map":{"x":"a.safetensors","x":"b.safetensors"}}`, "twice"},
		{`{"weight_map":{"x":"a.safetensors"}} x`, "trailing"},
		{`[]`, "an object is expected"},
		{"\xff", "UTF-8"},
	} {
		_, err := parseShardIndex([]byte(c.json))
		wantError(t, err, c.want)
	}
}

func TestIndexRefused(t *testing.T) {
	dir := t.TempDir()
	path := func(n string) *File {
		f, err := OpenFile(dir + "/" + n)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	writeTensors(t, dir+"/a", "mid.attentions.0.query.weight", "mid.attentions.0.to_q.weight", "other")
	_, err := NewIndex("vae", VAE, path("a"))
	wantError(t, err, "vae: ", dir+"/a", "mid.attentions.0.query.weight and mid.attentions.0.to_q.weight")
	if _, err := NewIndex("unet", UNet, path("a")); err != nil {
		t.Errorf("a UNet has no old names: %v", err)
	}
	writeTensors(t, dir+"/b", "final_layer_norm.weight", "text_model.final_layer_norm.weight")
	_, err = NewIndex("text_encoder", TextEncoder, path("b"))
	wantError(t, err, "final_layer_norm.weight and text_model.final_layer_norm.weight")
	_, err = NewIndex("unet", UNet, path("a"), path("a"))
	wantError(t, err, "tensor other is in both")

	write(t, dir+"/c", withHeader(`{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"n":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}`, 16))
	_, err = NewIndex("unet", UNet, path("c"))
	wantError(t, err, "unet: "+dir+"/c: tensor w: float64", "tensor n: int64")

	write(t, dir+"/clip", withHeader(`{"logit_scale":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"vision_model.x":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"text_projection.weight":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}`, 12))
	x, err := NewIndex("text_encoder", TextEncoder, path("clip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Check(nil); err != nil || len(x.Ignored()) != 2 {
		t.Errorf("%v, ignored %v", err, x.Ignored())
	}
}

func TestCheck(t *testing.T) {
	x := open(t, VAE, "testdata/vae").Index
	want := wants(x)
	if err := x.Check(want); err != nil {
		t.Fatal(err)
	}
	want[0].Shape = append(tensor.Shape{9}, want[0].Shape...)
	err := x.Check(want)
	wantError(t, err, "part: "+x.Files()[0], "tensor "+want[0].Name, "the config asks for [9, ")
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("one fault on several lines: %q", err)
	}
	want[1].Name = "gone"
	err = x.Check(want)
	wantError(t, err, "1 tensors missing, 1 extra, 1 mis-shaped", "tensor gone", "is missing", "is extra")
	e, ok := err.(*CheckError)
	if !ok || len(e.Missing) != 1 || len(e.Extra) != 1 || len(e.Misshaped) != 1 {
		t.Fatalf("%#v", err)
	}
	for i := range 60 {
		want = append(want, Param{fmt.Sprint("more.", i), nil})
	}
	wantError(t, x.Check(want), "61 tensors missing", "and 11 more missing tensors")
}

func TestSameBytes(t *testing.T) {
	for _, c := range []struct {
		a, b tensor.Shape
		want bool
	}{
		{tensor.Shape{4, 4}, tensor.Shape{4, 4}, true},
		{tensor.Shape{4, 3}, tensor.Shape{4, 3, 1, 1}, true},
		{tensor.Shape{4, 3, 1}, tensor.Shape{4, 3}, true},
		{tensor.Shape{4, 3}, tensor.Shape{4, 3, 3, 3}, false},
		{tensor.Shape{4, 3}, tensor.Shape{3, 4, 1, 1}, false},
		{tensor.Shape{4}, tensor.Shape{4, 1}, false},
		{tensor.Shape{4, 3}, tensor.Shape{4, 3, 1, 1, 1}, false},
		{nil, tensor.Shape{1}, false},
	} {
		if got := sameBytes(c.a, c.b); got != c.want {
			t.Errorf("sameBytes(%v, %v) = %t", c.a, c.b, got)
		}
	}
}

func TestFolder(t *testing.T) {
	for _, c := range []struct {
		want  string
		files []string
	}{
		{"", nil},
		{"/a/b", []string{"/a/b/c"}},
		{"/a/b", []string{"/a/b/c", "/a/b/d"}},
		{"/a", []string{"/a/b/c", "/a/bc/d"}},
		{"/", []string{"/a/b", "/c/d"}},
		{"/", []string{"/a"}},
	} {
		if got := (&Index{files: c.files}).Folder(); got != c.want {
			t.Errorf("%v: %q, want %q", c.files, got, c.want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	dir := t.TempDir()
	writeTensors(t, dir+"/model.safetensors", "x")
	try := func(words ...string) {
		t.Helper()
		_, err := OpenComponent("vae", VAE, dir, "")
		wantError(t, err, append(words, "vae: ", "config.json")...)
	}
	try("no such file")
	for json, want := range map[string]string{
		`{"a":1,"a":1}`: "twice",
		`[]`:            "an object is expected",
		`{`:             "the end found",
		`{} {}`:         "trailing",
		`{"a":Nan}`:     "NaN is expected",
		"{\"\xfe\":1}":  "UTF-8",
		`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`: "nested deeper than 32",
		strings.Repeat(" ", maxConfig) + "{}":                                 "bytes long",
	} {
		write(t, dir+"/config.json", json)
		try(want)
	}
	write(t, dir+"/config.json", `{"a":[-Infinity,Infinity,NaN,-0.5e-7,true,null]}`)
	if _, err := OpenComponent("vae", VAE, dir, ""); err != nil {
		t.Error(err)
	}
	if err := os.Remove(dir + "/config.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/config.json", 0o777); err != nil {
		t.Fatal(err)
	}
	try("a folder")
}
