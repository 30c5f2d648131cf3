package dolls

// palette is what the captions' colours of garments look like.
var palette = map[string]rgb{
	"black":  {38, 36, 44},
	"white":  {246, 246, 248},
	"gray":   {146, 150, 158},
	"blue":   {48, 96, 208},
	"red":    {208, 40, 48},
	"pink":   {244, 150, 184},
	"orange": {242, 132, 40},
	"green":  {48, 148, 74},
	"yellow": {246, 208, 60},
	"purple": {128, 66, 176},
	"brown":  {122, 76, 46},
	"beige":  {224, 192, 142},
}

// garmentColors are the palette's names in a fixed order.
var garmentColors = []string{"black", "white", "gray", "blue", "red", "pink", "orange", "green", "yellow", "purple", "brown", "beige"}

// hairPalette is what the captions' colours of hair look like.
var hairPalette = map[string]rgb{
	"black":  {36, 30, 36},
	"brown":  {108, 66, 40},
	"blonde": {236, 200, 108},
	"red":    {190, 74, 32},
	"gray":   {142, 144, 152},
	"white":  {250, 250, 252},
}

// denim is what jeans and denim jackets look like: cloth, not paint.
var denim = map[string]rgb{"blue": {62, 96, 158}, "black": {46, 46, 56}, "gray": {128, 132, 142}}

// skins are three tones for each country of the captions.
var skins = map[string][3]rgb{
	"Caucasian": {{252, 214, 198}, {246, 202, 186}, {254, 226, 212}},
	"Asian":     {{244, 206, 156}, {238, 198, 146}, {248, 214, 166}},
	"Latino":    {{212, 158, 112}, {204, 148, 104}, {218, 166, 122}},
	"Indian":    {{166, 110, 74}, {156, 102, 68}, {176, 118, 80}},
	"African":   {{112, 72, 50}, {100, 64, 46}, {88, 56, 42}},
}

// cloth is the colour of a garment.
func (g *Garment) cloth() rgb {
	if g.Material == "denim" {
		if c, ok := denim[g.Color]; ok {
			return c
		}
	}
	return palette[g.Color]
}

// contrast is what a pattern has beside its garment's colour.
func contrast(name string) rgb {
	switch name {
	case "white":
		return rgb{92, 104, 132}
	case "beige":
		return rgb{140, 100, 70}
	case "yellow":
		return rgb{255, 250, 226}
	case "black":
		return rgb{206, 208, 216}
	}
	return rgb{250, 246, 238}
}
