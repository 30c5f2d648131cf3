package hub

import "slices"

// Known is a model that goes by a name of its own: a pipeline with another's UNet.
type Known struct {
	Name string `json:"name"`
	Base string `json:"base"`
	UNet string `json:"unet"`
}

// known are the models that CosmicMan's authors have published, as UNets alone.
var known = []Known{
	{"cosmicman-sdxl", "stabilityai/stable-diffusion-xl-base-1.0", "cosmicman/CosmicMan-SDXL"},
	{"cosmicman-sd", "stable-diffusion-v1-5/stable-diffusion-v1-5", "cosmicman/CosmicMan-SD"},
}

// AllKnown returns the known models.
func AllKnown() []Known { return slices.Clone(known) }

// Lookup returns the model of a known name.
func Lookup(name string) (Known, bool) {
	i := slices.IndexFunc(known, func(k Known) bool { return k.Name == name })
	if i < 0 {
		return Known{}, false
	}
	return known[i], true
}
