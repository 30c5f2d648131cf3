package prompt

// VocabularyGroup is what can be said of a group, for those who offer choices.
type VocabularyGroup struct {
	Index      int                   `json:"index"` // the group's number
	Name       string                `json:"name"`  // the authors'
	Part       string                `json:"part"`  // "body" or "outfit"
	Field      string                `json:"field"` // of that object; "" for the face, whose attributes are fields of the body themselves
	Attributes []VocabularyAttribute `json:"attributes"`
}

// VocabularyAttribute is an attribute with the values that models have learned. Others may be given.
type VocabularyAttribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"` // empty: free text
}

// VocabularyAll is all that a body and an outfit may say.
type VocabularyAll struct {
	Shots  []string          `json:"shots"` // values of body.shot
	Groups []VocabularyGroup `json:"groups"`
}

// Vocabulary returns the groups in their order with their attributes and known values.
// The result is the caller's.
func Vocabulary() VocabularyAll {
	v := VocabularyAll{}
	for _, s := range shots {
		v.Shots = append(v.Shots, s.name)
	}
	for g := range Group(groupCount) {
		info := groupTable[g]
		out := VocabularyGroup{Index: int(g), Name: info.name, Part: "outfit", Field: info.field, Attributes: []VocabularyAttribute{}}
		if g <= Hair {
			out.Part = "body"
		}
		if g == Face {
			out.Field = ""
		}
		for _, key := range info.keys {
			out.Attributes = append(out.Attributes, VocabularyAttribute{Name: key, Values: append([]string{}, knownValues(g, key)...)})
		}
		v.Groups = append(v.Groups, out)
	}
	return v
}

// A shot is how much of a person is seen: its name among fields, and what captions say.
type shot struct{ name, phrase string }

var shots = []shot{
	{"full_body", "a full-body shot"},
	{"nearly_full_body", "a nearly full-body shot"},
	{"upper_body", "a upper body shot"}, // the captions' own article: what the models have learned
	{"portrait", "a close up portrait shot"},
	{"headshot", "a headshot"},
}

var (
	colorValues    = []string{"black", "white", "gray", "grey", "blue", "red", "pink", "orange", "green", "yellow", "purple", "brown", "beige", "navy blue", "light blue", "dark green", "khaki", "burgundy", "cream", "gold", "silver"}
	patternValues  = []string{"solid color", "floral", "graphic", "plaid", "tie-dye", "printed", "striped", "polka dot", "checkered", "camouflage", "leopard print"}
	materialValues = []string{"cotton", "silk", "leather", "mesh", "fur", "woven", "knitted", "denim", "wool", "linen", "velvet", "lace", "satin", "chiffon", "suede", "canvas", "straw"}
	sleeveValues   = []string{"sleeveless", "short sleeve", "long sleeve"}
	collarValues   = []string{"scoop neckline", "v neckline", "high neck", "round neck", "turtleneck", "collared", "square neckline"}
	lengthValues   = []string{"short", "midi", "maxi"}
	graphicValues  = []string{"graphic", "logo", "cartoon"}
)

// valueTable holds the values that the authors' captions are known to have and common ones of their kind.
var valueTable = map[Group]map[string][]string{
	Face: {
		"country": {"Asian", "Caucasian", "African", "Latino", "Indian"},
		"age":     {"toddler", "child", "teenager", "adult", "elderly"},
		"gender":  {"female", "male"},
	},
	BodyShape: {"shape": {"fit", "slim", "muscular", "curvy", "plus-size", "tall", "petite"}},
	Hair: {
		"style":  {"straight", "wavy", "curly", "bun", "bob", "bald", "afro-hair", "crew cut", "ponytail"},
		"color":  {"black", "brown", "blonde", "red", "gray", "white"},
		"length": {"above eyes", "above chin", "above shoulders", "above chest"},
	},
	Special: {"type": {"saree", "kimono", "hanbok", "hanfu", "cheongsam", "uniform", "tuxedo", "suit", "swimsuit", "bikini", "robe"}},
	OnePiece: {
		"type":                    {"dress", "wedding dress", "jumpsuit", "gown", "sundress", "romper", "overalls"},
		"length":                  lengthValues,
		"shoulder_exposure_level": {"off-shoulder"},
	},
	Top: {
		"type":       {"shirt", "t-shirt", "blouse", "camisole", "hoodie", "sweatshirt", "sweater", "polo shirt", "tank top", "crop top"},
		"top_length": {"normal", "cropped", "long"},
	},
	Coat: {
		"type":        {"jacket", "overcoat", "coat", "blazer", "trench coat", "cardigan", "vest"},
		"coat_length": {"short", "normal", "long"},
	},
	Bottom: {
		"type":         {"skirt", "pants", "sweatpants", "jeans", "shorts", "leggings"},
		"bottom_shape": {"straight", "tapered", "close-fitting", "pleated", "wide-leg"},
		"length":       lengthValues,
	},
	Shoes: {
		"type":         {"oxford shoes", "sneakers", "high heels", "loafers", "boots", "sandals", "flats"},
		"boots_length": {"ankle boots", "knee-high boots"},
	},
	Bag:       {"type": {"backpack", "handbag", "tote bag", "shoulder bag", "clutch"}},
	Hat:       {"type": {"hat", "baseball cap", "beanie", "beret"}},
	Belt:      {"type": {"belt", "sash", "suspenders"}},
	Scarf:     {"type": {"scarf", "shawl"}},
	Headband:  {"type": {"headband", "flower crown", "tiara"}},
	Headscarf: {"type": {"headscarf", "hijab", "turban", "bandana"}},
	Veil:      {"type": {"veil", "bridal veil"}},
	Socks:     {"type": {"socks", "knee socks", "stockings", "tights"}},
	Ties:      {"type": {"tie", "bow tie"}},
	Style:     {"style": {"casual", "elegant", "sporty", "streetwear", "business", "bohemian", "vintage", "formal"}},
}

var sharedValues = map[string][]string{
	"color": colorValues, "pattern": patternValues, "material": materialValues,
	"sleeve_length": sleeveValues, "collar_shape": collarValues, "graphic": graphicValues,
}

// knownValues are values of an attribute that no note is made about; nil for free text.
func knownValues(g Group, key string) []string {
	if v, ok := valueTable[g][key]; ok {
		return v
	}
	if g == Hair || g == Face {
		return nil
	}
	return sharedValues[key]
}
