package job

import "fmt"

// Group is what sequences must have in common to share a call of the UNet.
type Group struct {
	Model   string `json:"model"`
	Variant string `json:"variant,omitempty"` // of the session: adapters, precision
	Height  int    `json:"height"`            // of the latents
	Width   int    `json:"width"`
	Tokens  int    `json:"tokens"` // context length
}

func (g Group) String() string {
	s := g.Model
	if g.Variant != "" {
		s += "+" + g.Variant
	}
	return fmt.Sprintf("%s %dx%d/%d", s, g.Width, g.Height, g.Tokens)
}
