package recipe

import "testing"

func TestNamesFromElsewhereAreSettings(t *testing.T) {
	keys := map[string]bool{}
	c := Default(TeachLoRA)
	for _, s := range c.Settings() {
		keys[s.Key] = true
	}
	for name, key := range elsewhere {
		if !keys[key] || keys[name] || Elsewhere(name) != key {
			t.Errorf("%s is called %q here", name, key)
		}
	}
	if Elsewhere("network-dim") != "lora.rank" || Elsewhere("ranck") != "" {
		t.Error("hyphens, or a name of none")
	}
}
