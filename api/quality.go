package api

// qualities is what OpenAI's words for quality mean here: denoising steps, and the
// word that the answer has for it.
var qualities = map[string]struct {
	steps  int
	answer string
}{
	"low":      {15, "low"},
	"medium":   {30, "medium"},
	"high":     {50, "high"},
	"auto":     {30, "medium"},
	"standard": {30, "medium"}, // DALL-E's words
	"hd":       {50, "high"},
}

var qualityNames = []string{"standard", "hd", "low", "medium", "high", "auto"}
