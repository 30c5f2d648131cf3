package networks

import (
	"path/filepath"
	"strings"
	"testing"

	"cosmicman/newmodel"
	"cosmicman/weights"
)

// TestPartsThatDoNotFitAreRefused composes models whose parts are whole, each by itself.
func TestPartsThatDoNotFitAreRefused(t *testing.T) {
	dirs := map[string]string{}
	for _, name := range []string{"tiny-sd", "tiny-sdxl"} {
		arch, err := newmodel.LoadArch(name)
		if err != nil {
			t.Fatal(err)
		}
		dirs[name] = filepath.Join(t.TempDir(), name)
		if err := newmodel.Write(t.Context(), dirs[name], arch, newmodel.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	for base, encoders := range map[string]int{"tiny-sd": 1, "tiny-sdxl": 2} {
		for unet, dir := range dirs {
			p, err := weights.Open(dirs[base], weights.Options{UNet: dir})
			if err != nil {
				t.Fatal(err)
			}
			set, err := Open(p)
			switch {
			case unet != base && (err == nil || !strings.Contains(err.Error(), "does not fit")):
				t.Errorf("%s with the UNet of %s: %v", base, unet, err)
			case unet == base && err != nil:
				t.Errorf("%s: %v", base, err)
			case unet == base && (len(set.Texts) != encoders || set.Texts[0].Config.Tokens != 77):
				t.Errorf("%s has %d text encoders, the first of %d tokens", base, len(set.Texts), set.Texts[0].Config.Tokens)
			}
		}
	}
}
