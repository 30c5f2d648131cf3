package weights

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestNeeded(t *testing.T) {
	const unet = "diffusion_pytorch_model"
	shards := `{"weight_map":{"a":"` + unet + `-00001-of-00002.safetensors","b":"` + unet + `-00002-of-00002.safetensors"}}`
	sd := strings.Fields(`.gitattributes README.md model_index.json v1-5-pruned.ckpt v1-5-pruned.safetensors
		feature_extractor/preprocessor_config.json safety_checker/config.json safety_checker/model.safetensors
		scheduler/scheduler_config.json text_encoder/config.json text_encoder/model.safetensors text_encoder/model.fp16.safetensors
		text_encoder/pytorch_model.bin tokenizer/merges.txt tokenizer/vocab.json tokenizer/tokenizer_config.json tokenizer/special_tokens_map.json
		unet/config.json unet/` + unet + `.safetensors unet/` + unet + `.fp16.safetensors unet/` + unet + `.bin unet/` + unet + `.non_ema.safetensors
		vae/config.json vae/` + unet + `.safetensors vae/` + unet + `.bin`)
	const common = "model_index.json scheduler/scheduler_config.json text_encoder/config.json tokenizer/merges.txt " +
		"tokenizer/special_tokens_map.json tokenizer/tokenizer_config.json tokenizer/vocab.json "
	without := func(list []string, names ...string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(f string) bool { return slices.Contains(names, f) })
	}
	for _, c := range []struct {
		name    string
		list    []string
		want    Wanted
		variant string
		needed  string // or, after "error: ", words of the error
	}{
		{"whole", sd, Everything, "", common + "text_encoder/model.safetensors unet/config.json unet/" + unet + ".safetensors vae/config.json vae/" + unet + ".safetensors"},
		{"fp16 where it is", sd, Everything, "fp16", common + "text_encoder/model.fp16.safetensors unet/config.json unet/" + unet + ".fp16.safetensors vae/config.json vae/" + unet + ".safetensors"},
		{"another's UNet", sd, WithoutUNet, "", common + "text_encoder/model.safetensors vae/config.json vae/" + unet + ".safetensors"},
		{"its UNet", sd, UNetAlone, "", "unet/config.json unet/" + unet + ".safetensors"},
		{"a UNet at the root", []string{"README.md", "config.json", unet + ".safetensors", unet + ".bin"}, UNetAlone, "", "config.json " + unet + ".safetensors"},
		{"a network alone", []string{"config.json", unet + ".safetensors"}, Everything, "", "config.json " + unet + ".safetensors"},
		{"shards", []string{"config.json", unet + ".safetensors.index.json", unet + "-00001-of-00002.safetensors", unet + "-00002-of-00002.safetensors"}, UNetAlone, "",
			"config.json " + unet + "-00001-of-00002.safetensors " + unet + "-00002-of-00002.safetensors " + unet + ".safetensors.index.json"},

		{"a shard is missing", []string{"config.json", unet + ".safetensors.index.json", unet + "-00001-of-00002.safetensors"}, UNetAlone, "", "error: names " + unet + "-00002-of-00002"},
		{"no variant", sd, Everything, "int8", "error: no part has the variant int8"},
		{"pickles only", without(sd, "vae/"+unet+".safetensors"), Everything, "", "error: vae: holds " + unet + ".bin, a pickle"},
		{"two parts are missing", without(sd, "vae/config.json", "scheduler/scheduler_config.json"), Everything, "", "error: scheduler: holds no scheduler_config.json\nvae: holds no config.json"},
		{"no model", []string{"README.md", "model.gguf"}, Everything, "", "error: no model_index.json"},
		{"no UNet", []string{"README.md"}, UNetAlone, "", "error: neither config.json nor unet/config.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Needed(c.list, c.want, c.variant, func(name string) ([]byte, error) {
				switch {
				case name == "model_index.json":
					return []byte(sdIndex), nil
				case strings.HasSuffix(name, ".index.json"):
					return []byte(shards), nil
				}
				return nil, errors.New("read " + name)
			})
			if words, is := strings.CutPrefix(c.needed, "error: "); is {
				wantError(t, err, words)
				return
			}
			want := strings.Fields(c.needed)
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("needed %q, %v\nexpected %q", got, err, want)
			}
		})
	}
}

func TestHubRefs(t *testing.T) {
	for ref, want := range map[string]HubRef{
		"org/name": {"org/name", "main"}, "o_g/n.a-m_e@v1.0": {"o_g/n.a-m_e", "v1.0"}, "a/b@refs/pr/1": {"a/b", "refs/pr/1"},
	} {
		got, err := ParseHubRef(ref)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", ref, got, err)
		}
		back, ok := HubRefOf(got.Folder())
		if !ok || back.Name != want.Name {
			t.Errorf("%s: back from its folder %v, %v", got.Folder(), back, ok)
		}
	}
	for _, ref := range []string{"", "name", "a/b/c", "../b", "a/..", "a/b@", "a/b@../c", "a/b@/c", "a/b@c//d", "a\\b/c", "a/b\x00", "a/b@c\x00", "a--b/c", "a/b.git",
		"a/b@x.lock", "a/" + strings.Repeat("b", 97), "a/b@" + strings.Repeat("c", 201), "-a/b", "a/b@-c", "https://host/a/b", "a/b@c@d", "ä/b"} {
		if r, err := ParseHubRef(ref); err == nil {
			t.Errorf("%q was read as %v", ref, r)
		}
	}
	for _, folder := range []string{"", "models--", "models--a", "models--a--b--c", "datasets--a--b", "models--..--b", "models--a--.."} {
		if r, ok := HubRefOf(folder); ok {
			t.Errorf("%q was read as %v", folder, r)
		}
	}
}
