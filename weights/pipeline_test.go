package weights

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	sdIndex = `{"_class_name":"StableDiffusionPipeline","_diffusers_version":"0.42.1",
"feature_extractor":[null,null],"image_encoder":[null,null],"requires_safety_checker":true,"safety_checker":["stable_diffusion","StableDiffusionSafetyChecker"],
"scheduler":["diffusers","PNDMScheduler"],"text_encoder":["transformers","CLIPTextModel"],"tokenizer":["transformers","CLIPTokenizer"],
"unet":["diffusers","UNet2DConditionModel"],"vae":["diffusers","AutoencoderKL"]}`
	sdxlIndex = `{"_class_name":"StableDiffusionXLPipeline","force_zeros_for_empty_prompt":false,"add_watermarker":null,
"scheduler":["diffusers","EulerDiscreteScheduler"],"text_encoder":["transformers","CLIPTextModel"],"text_encoder_2":["transformers","CLIPTextModelWithProjection"],
"tokenizer":["transformers","CLIPTokenizer"],"tokenizer_2":["transformers","CLIPTokenizer"],
"unet":["diffusers","UNet2DConditionModel"],"vae":["diffusers","AutoencoderKL"]}`
	newUNet = `{"_class_name":"UNet2DConditionModel_New","decay":0.9999}`
)

// pipeline makes a pipeline's folder.
func pipeline(t *testing.T, dir, index string) string {
	t.Helper()
	write(t, dir+"/model_index.json", index)
	write(t, dir+"/scheduler/scheduler_config.json", `{"_class_name":"PNDMScheduler","lambda_min_clipped":-Infinity}`)
	write(t, dir+"/tokenizer/vocab.json", `{}`)
	network(t, dir+"/unet", `{"_class_name":"UNet2DConditionModel"}`, "diffusion_pytorch_model")
	network(t, dir+"/vae", `{"_class_name":"AutoencoderKL"}`, "diffusion_pytorch_model")
	network(t, dir+"/text_encoder", `{"architectures":["CLIPTextModel"]}`, "model")
	if index == sdxlIndex {
		network(t, dir+"/text_encoder_2", `{"architectures":["CLIPTextModelWithProjection"]}`, "model")
		write(t, dir+"/tokenizer_2/vocab.json", `{}`)
	}
	return dir
}

func network(t *testing.T, dir, config, stem string) {
	t.Helper()
	write(t, dir+"/config.json", config)
	writeTensors(t, dir+"/"+stem+".safetensors", "x.weight", "x.bias")
}

// inHub moves a folder into the cache as a snapshot of links to blobs.
func inHub(t *testing.T, cache, name, branch, commit, dir string) {
	t.Helper()
	repo := filepath.Join(cache, "models--"+strings.ReplaceAll(name, "/", "--"))
	if branch != "" {
		write(t, filepath.Join(repo, "refs", branch), commit)
	}
	n := 0
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		n++
		rel, _ := filepath.Rel(dir, path)
		link := filepath.Join(repo, "snapshots", commit, rel)
		blob := filepath.Join(repo, "blobs", commit+"."+strings.ReplaceAll(rel, "/", "."))
		for _, p := range []string{link, blob} {
			if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
				return err
			}
		}
		if err := os.Rename(path, blob); err != nil {
			return err
		}
		to, err := filepath.Rel(filepath.Dir(link), blob)
		if err != nil {
			return err
		}
		return os.Symlink(to, link)
	})
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
}

func TestOpenSD(t *testing.T) {
	dir := pipeline(t, t.TempDir(), sdIndex)
	p, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Family != SD || p.Class != "StableDiffusionPipeline" || len(p.Components()) != 3 || p.TextEncoder2 != nil || p.Tokenizer2 != "" || p.OtherUNet != nil || p.Revision != "" {
		t.Errorf("%+v", p)
	}
	if p.Tokenizer != dir+"/tokenizer" || p.Scheduler.Path != dir+"/scheduler/scheduler_config.json" || !strings.Contains(string(p.Scheduler.JSON), "lambda_min") {
		t.Errorf("tokenizer %s, scheduler %s", p.Tokenizer, p.Scheduler.Path)
	}
	if e, ok := p.UNet.Index.Lookup("x.bias"); !ok || e.File != dir+"/unet/diffusion_pytorch_model.safetensors" {
		t.Errorf("%+v", e)
	}
	if p.UNet.Config.Path != dir+"/unet/config.json" || p.UNet.Index.Folder() != dir+"/unet" {
		t.Errorf("config %s, folder %s", p.UNet.Config.Path, p.UNet.Index.Folder())
	}
}

func TestOpenSDXL(t *testing.T) {
	dir := pipeline(t, t.TempDir(), sdxlIndex)
	p, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Family != SDXL || len(p.Components()) != 4 || p.TextEncoder2.Name != "text_encoder_2" || p.Tokenizer2 == "" || p.ForceZerosForEmptyPrompt {
		t.Errorf("%+v", p)
	}
	write(t, dir+"/model_index.json", strings.Replace(sdxlIndex, `"force_zeros_for_empty_prompt":false,`, "", 1))
	if p, err = Open(dir, Options{}); err != nil || !p.ForceZerosForEmptyPrompt {
		t.Errorf("%v: zeros for an empty prompt are diffusers' default", err)
	}
	if err := os.RemoveAll(dir + "/tokenizer_2"); err != nil {
		t.Fatal(err)
	}
	if p, err = Open(dir, Options{}); err != nil || p.Tokenizer2 != "" {
		t.Errorf("%v: a tokenizer may be missing", err)
	}
}

func TestOpenZoo(t *testing.T) {
	dirs, err := filepath.Glob("../testdata/zoo/*/model_index.json")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no pipelines", err)
	}
	for _, path := range dirs {
		b, err := readSmall(path, maxConfig)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parseModelIndex(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if f, faults := m.family(false); f == "" || len(faults) > 0 {
			t.Errorf("%s: family %q, %v", path, f, faults)
		}
	}
}

func TestOtherUNet(t *testing.T) {
	base := pipeline(t, t.TempDir(), sdIndex)
	root := t.TempDir()
	network(t, root, newUNet, "diffusion_pytorch_model")
	other := pipeline(t, t.TempDir(), sdxlIndex)
	if err := os.RemoveAll(base + "/unet"); err != nil { // not looked at
		t.Fatal(err)
	}
	cache := t.TempDir()
	hub := t.TempDir()
	network(t, hub, newUNet, "diffusion_pytorch_model")
	inHub(t, cache, "cosmicman/CosmicMan-SD", "main", "c0ffee", hub)
	for ref, want := range map[string]string{
		root:                     root,
		other:                    other + "/unet",
		"cosmicman/CosmicMan-SD": cache + "/models--cosmicman--CosmicMan-SD/snapshots/c0ffee",
	} {
		p, err := Open(base, Options{UNet: ref, HubCache: cache})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if p.UNet.Dir != want || p.OtherUNet == nil || p.OtherUNet.Ref != ref {
			t.Errorf("%s: %s, %+v", ref, p.UNet.Dir, p.OtherUNet)
		}
	}
	_, err := Open(base, Options{UNet: base + "/vae"})
	wantError(t, err, "unet: ", base+"/vae/config.json: class AutoencoderKL is not supported")
	_, err = Open(base, Options{UNet: base + "/tokenizer"})
	wantError(t, err, "unet: "+base+"/tokenizer: neither config.json nor unet/config.json", "vocab.json")
	_, err = Open(base, Options{UNet: t.TempDir()})
	wantError(t, err, "unet: ", "the folder is empty")
	_, err = Open(base, Options{UNet: "/none"})
	wantError(t, err, "unet: /none: no such folder")
	_, err = Open(base, Options{})
	wantError(t, err, "unet: no folder "+base+"/unet")
}

func TestVariants(t *testing.T) {
	dir := pipeline(t, t.TempDir(), sdIndex)
	writeTensors(t, dir+"/unet/diffusion_pytorch_model.fp16.safetensors", "x.weight")
	for variant, want := range map[string]string{"": "", "fp16": "fp16"} {
		p, err := Open(dir, Options{Variant: variant})
		if err != nil || p.UNet.Variant != want || p.VAE.Variant != "" {
			t.Errorf("%q: %v", variant, err)
		}
	}
	_, err := Open(dir, Options{Variant: "bf16"})
	wantError(t, err, dir+": no part has the variant bf16")
}

func TestModelIndexRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"StableDiffusionPipeline"`, `"FluxPipeline"`, "pipeline class FluxPipeline is not supported; these are: StableDiffusionImg2Img"},
		{`"_class_name":"StableDiffusionPipeline",`, ``, "_class_name is missing"},
		{`"StableDiffusionPipeline"`, `"StableDiffusionXLPipeline"`, "text_encoder_2 is missing; a StableDiffusionXLPipeline needs it"},
		{`"requires_safety_checker":true`, `"requires_aesthetics_score":true`, "refiner"},
		{`["transformers","CLIPTextModel"]`, `["transformers","T5EncoderModel"]`, "text_encoder: class T5EncoderModel is not supported; these are: CLIPTextModel"},
		{`["transformers","CLIPTextModel"]`, `["transformers","CLIPTextModelWithProjection"]`, "text_encoder: class CLIPTextModelWithProjection is not supported in this place"},
		{`["transformers","CLIPTextModel"]`, `[null,null]`, "text_encoder is missing"},
		{`["transformers","CLIPTextModel"]`, `"CLIPTextModel"`, "text_encoder: [library, class] is expected"},
		{`["diffusers","AutoencoderKL"]`, `["diffusers","AutoencoderTiny"]`, "vae: class AutoencoderTiny"},
		{`["diffusers","AutoencoderKL"]`, `["diffusers"]`, "vae is missing"},
		{`"feature_extractor"`, `"text_encoder_2":["transformers","CLIPTextModelWithProjection"],"feature_extractor"`, "text_encoder_2: a StableDiffusionPipeline has none"},
		{`"feature_extractor"`, `"vae":[null,null],"feature_extractor"`, "key vae stands there twice"},
		{`"feature_extractor"`, `"force_zeros_for_empty_prompt":1,"feature_extractor"`, "a boolean is expected"},
		{`{`, `[{`, "an object is expected"},
	} {
		dir := pipeline(t, t.TempDir(), sdIndex)
		write(t, dir+"/model_index.json", strings.Replace(sdIndex, c.old, c.new, 1))
		_, err := Open(dir, Options{})
		wantError(t, err, dir+"/model_index.json: ", c.want)
	}
}

// TestAllFaultsAtOnce breaks several parts: each has its line.
func TestAllFaultsAtOnce(t *testing.T) {
	dir := pipeline(t, t.TempDir(), sdxlIndex)
	write(t, dir+"/vae/diffusion_pytorch_model.safetensors", "PK\x03\x04 and more")
	write(t, dir+"/text_encoder/config.json", "{")
	for _, path := range []string{"/text_encoder_2", "/scheduler", "/unet/diffusion_pytorch_model.safetensors"} {
		if err := os.RemoveAll(dir + path); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(dir, Options{})
	wantError(t, err,
		"vae: "+dir+"/vae/diffusion_pytorch_model.safetensors: a zip archive",
		"text_encoder: "+dir+"/text_encoder/config.json",
		"text_encoder_2: no folder "+dir,
		"unet: "+dir+"/unet: holds no weights",
		"scheduler: "+dir+"/scheduler/scheduler_config.json: no such file")
	if n := strings.Count(err.Error(), "\n"); n != 4 {
		t.Errorf("%d lines: %v", n+1, err)
	}
}

func TestNotAModel(t *testing.T) {
	empty := t.TempDir()
	unet := t.TempDir()
	network(t, unet, newUNet, "diffusion_pytorch_model")
	vae := t.TempDir()
	network(t, vae, `{"_class_name":"AutoencoderKL"}`, "diffusion_pytorch_model")
	single := t.TempDir()
	writeTensors(t, single+"/v1-5-pruned.safetensors", "x")
	photos := t.TempDir()
	write(t, photos+"/a.jpg", "")
	link := t.TempDir()
	if err := os.Symlink("gone", link+"/model_index.json"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ref, want string }{
		{empty, "an empty folder; a diffusers pipeline is expected"},
		{unet, "a UNet alone (UNet2DConditionModel_New)"},
		{vae, "a single network (AutoencoderKL)"},
		{single, "single-file checkpoints are not read"},
		{photos, "the folder holds a.jpg"},
		{link, "leads nowhere"},
		{single + "/v1-5-pruned.safetensors", "a file; a diffusers folder is expected"},
		{empty + "/none", "no such folder"},
		{"", "no model is named"},
		{"./here", "no such folder, and not a hub name"},
		{"a/b/c", "no such folder, and not a hub name"},
		{"a/../b", "no such folder, and not a hub name"},
		{"../b", "no such folder, and not a hub name"},
		{"a/..", "not a hub name"},
		{"a/b--c", "not a hub name"},
		{"a/b..c", "not a hub name"},
		{"a/b\x00", "not a hub name"},
		{"a/b\n", "not a hub name"},
		{"a/" + strings.Repeat("b", 97), "not a hub name"},
		{"org/name", "no such folder, and no Hugging Face cache is known"},
	} {
		_, err := Open(c.ref, Options{})
		wantError(t, err, c.want)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %q", err)
		}
	}
}

func TestHub(t *testing.T) {
	cache := t.TempDir()
	inHub(t, cache, "org/name", "main", "aaaa", pipeline(t, t.TempDir(), sdIndex))
	inHub(t, cache, "org/name", "refs/pr/1", "bbbb", pipeline(t, t.TempDir(), sdIndex))
	inHub(t, cache, "org/pinned", "", "cccc", pipeline(t, t.TempDir(), sdIndex))
	repo := cache + "/models--org--name"
	for ref, commit := range map[string]string{
		"org/name": "aaaa", "org/name@main": "aaaa", "org/name@aaaa": "aaaa", "org/name@bbbb": "bbbb", "org/name@refs/pr/1": "bbbb", "org/pinned@cccc": "cccc",
	} {
		p, err := Open(ref, Options{HubCache: cache})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if p.Revision != commit || filepath.Base(p.Dir) != commit {
			t.Errorf("%s: %s", ref, p.Dir)
		}
		if f := p.UNet.Index.Files()[0]; filepath.Base(filepath.Dir(f)) != "blobs" || p.UNet.Index.Folder() != filepath.Dir(f) {
			t.Errorf("%s: %s is not a blob", ref, f)
		}
	}
	write(t, repo+"/refs/gone", "dddd\n")
	write(t, repo+"/refs/bad", "../../x")
	write(t, cache+"/models--org--bare/refs/main", "eeee")
	write(t, cache+"/models--org--nothing/version", "")
	for _, c := range []struct{ ref, want string }{
		{"org/other", "not in the Hugging Face cache: no " + cache + "/models--org--other"},
		{"org/name@v2", "no " + repo + "/refs/v2; snapshots there (use org/name@...): aaaa, bbbb"},
		{"org/pinned", "no revision main"},
		{"org/name@gone", "names the snapshot dddd, which is not there"},
		{"org/name@bad", "does not hold a commit"},
		{"org/name@", "not a revision"},
		{"org/name@../main", "not a revision"},
		{"org/name@a/../../../b", "not a revision"},
		{"org/name@/etc/passwd", "not a revision"},
		{"org/bare", "names the snapshot eeee"},
		{"org/nothing", "nor any snapshot"},
	} {
		_, err := Open(c.ref, Options{HubCache: cache})
		wantError(t, err, c.want)
	}
	if err := os.Remove(repo + "/blobs/aaaa.vae.config.json"); err != nil {
		t.Fatal(err)
	}
	_, err := Open("org/name", Options{HubCache: cache})
	wantError(t, err, "vae: ", "vae/config.json: a symbolic link that leads nowhere")
}

func TestHubCache(t *testing.T) {
	env := map[string]string{"HOME": "/home/u"}
	try := func(want string) {
		t.Helper()
		if got := HubCache(func(k string) string { return env[k] }); got != want {
			t.Errorf("%v: %s, want %s", env, got, want)
		}
	}
	try("/home/u/.cache/huggingface/hub")
	env["XDG_CACHE_HOME"] = "/xdg"
	try("/xdg/huggingface/hub")
	env["HF_HOME"] = "~/hf"
	try("/home/u/hf/hub")
	env["HUGGINGFACE_HUB_CACHE"] = "/older"
	try("/older")
	env["HF_HUB_CACHE"] = "/hub"
	try("/hub")
	env = nil
	try("")
}

func TestInspect(t *testing.T) {
	dir := pipeline(t, t.TempDir(), sdIndex)
	if err := os.Remove(dir + "/unet/diffusion_pytorch_model.safetensors"); err != nil {
		t.Fatal(err)
	}
	writeTensors(t, dir+"/unet/diffusion_pytorch_model.fp16.safetensors", "x.weight", "x.bias")
	writeTensors(t, dir+"/vae/diffusion_pytorch_model.safetensors", "mid.attentions.0.query.weight")
	write(t, dir+"/vae/diffusion_pytorch_model.bin", "PK")
	write(t, dir+"/v1-5-pruned.ckpt", "PK")
	write(t, dir+"/text_encoder/model.safetensors", withHeader(`{"final_layer_norm.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"embeddings.position_ids":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},"logit_scale":{"dtype":"F32","shape":[],"data_offsets":[16,20]},"x":{"dtype":"F16","shape":[0],"data_offsets":[20,20]},"y":{"dtype":"BF16","shape":[3],"data_offsets":[20,26]}}`, 26))
	if err := os.RemoveAll(dir + "/tokenizer"); err != nil {
		t.Fatal(err)
	}
	r, err := Inspect(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) > 0 || r.Family != SD || len(r.Parts) != 4 {
		t.Errorf("%+v", r)
	}
	want := []string{
		"text_encoder: mixed element types",
		"text_encoder: 1 tensors without elements",
		"text_encoder: tensors not used: logit_scale",
		"vae: 1 tensors under old names",
		"vae: files not used: diffusion_pytorch_model.bin",
		"tokenizer: no such folder; CLIP's own vocabulary takes its place",
		"not used: safety_checker",
		"not used: v1-5-pruned.ckpt",
		"only a variant of the weights is there: unet (fp16)",
	}
	if !slices.Equal(r.Notes, want) {
		t.Errorf("notes:\n%s", strings.Join(r.Notes, "\n"))
	}
	te := r.Parts[0]
	if te.Name != "text_encoder" || te.Class != "CLIPTextModel" || te.Params != 5 || te.Tensors != 3 || !maps.Equal(te.DTypes, map[string]int64{"float32": 2, "bfloat16": 3, "float16": 0}) {
		t.Errorf("%+v", te)
	}
	if unet := r.Parts[1]; unet.Params != 12 || unet.Class != "UNet2DConditionModel" || len(unet.Files) != 1 {
		t.Errorf("%+v", unet)
	}
	info, err := os.Stat(r.Parts[1].Files[0].Path)
	if err != nil || info.Size() != r.Parts[1].Files[0].Bytes || r.Bytes <= info.Size() || r.Params != 5+12+6 {
		t.Errorf("%v, bytes %d, params %d", err, r.Bytes, r.Params)
	}
	if s := r.Parts[3]; s.Name != "scheduler" || s.Class != "PNDMScheduler" {
		t.Errorf("%+v", s)
	}

	if err := os.RemoveAll(dir + "/vae"); err != nil {
		t.Fatal(err)
	}
	if r, err = Inspect(dir, Options{}); err != nil || len(r.Faults) != 1 || len(r.Parts) != 3 {
		t.Errorf("%v, %+v", err, r)
	}
	write(t, dir+"/model_index.json", `{"_class_name":"FluxPipeline"}`)
	if r, err = Inspect(dir, Options{}); err != nil || len(r.Faults) != 1 || r.Class != "FluxPipeline" || r.Family != "" {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestInspectAlone(t *testing.T) {
	dir := t.TempDir()
	network(t, dir, newUNet, "diffusion_pytorch_model")
	r, err := Inspect(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Family != "" || len(r.Parts) != 1 || r.Parts[0].Name != "unet" || r.Params != 12 || len(r.Notes) != 1 || len(r.Faults) != 0 {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(dir + "/diffusion_pytorch_model.safetensors"); err != nil {
		t.Fatal(err)
	}
	if r, err = Inspect(dir, Options{}); err != nil || len(r.Faults) != 1 {
		t.Errorf("%v, %+v", err, r)
	}
	write(t, dir+"/config.json", `{"_class_name":"ControlNetModel"}`)
	_, err = Inspect(dir, Options{})
	wantError(t, err, "a single network (ControlNetModel)")
	_, err = Inspect(t.TempDir(), Options{})
	wantError(t, err, "an empty folder")
	_, err = Inspect("/none", Options{})
	wantError(t, err, "no such folder")
}
