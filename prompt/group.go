package prompt

import (
	"fmt"
	"slices"
	"strings"
)

// Group is a part of a person's description. Its number is its place in the authors' protocol.
type Group int

// The groups. 0 to 3 describe the body, the rest the outfit.
const (
	Face Group = iota
	BodyShape
	Background
	Hair
	Special
	OnePiece
	Top
	Coat
	Bottom
	Shoes
	Bag
	Hat
	Belt
	Scarf
	Style
	Headband
	Headscarf
	Veil
	Socks
	Ties

	groupCount = iota
)

// nobody is no group.
const nobody Group = -1

// groupInfo is what the protocol says of a group.
type groupInfo struct {
	name  string   // the authors'
	field string   // of a body or an outfit
	keys  []string // attributes, in the order in which a caption has them
	noun  string   // what the adjectives stand before, where nothing else is given; "": nothing
	fixed bool     // the captions have no other noun
}

// The authors have no colour for one-piece outfits, bags and the like, and only one noun for
// belts or ties, but people say "brown leather bag" and "bow tie", so whatever is worn has
// color, pattern, material and type.
var groupTable = [groupCount]groupInfo{
	Face:       {name: "face", field: "face", keys: []string{"country", "age", "gender"}, noun: "person"},
	BodyShape:  {name: "body shape", field: "shape", keys: []string{"shape"}},
	Background: {name: "background", field: "background", keys: []string{"background"}},
	Hair:       {name: "hair", field: "hair", keys: []string{"length", "style", "color"}, noun: "hair", fixed: true},
	Special: {name: "special clothings", field: "special", noun: "costume",
		keys: []string{"sleeve_length", "color", "pattern", "material", "type"}},
	OnePiece: {name: "one-piece outfits", field: "one_piece", noun: "dress",
		keys: []string{"length", "sleeve_length", "shoulder_exposure_level", "collar_shape", "color", "pattern", "material", "type"}},
	Top: {name: "tops", field: "top", noun: "top",
		keys: []string{"top_length", "sleeve_length", "collar_shape", "color", "graphic", "pattern", "material", "type"}},
	Coat: {name: "coats", field: "coat", noun: "coat",
		keys: []string{"coat_length", "sleeve_length", "collar_shape", "color", "graphic", "pattern", "material", "type"}},
	Bottom: {name: "bottoms", field: "bottom", noun: "pants",
		keys: []string{"length", "bottom_shape", "color", "graphic", "pattern", "material", "type"}},
	Shoes:     {name: "shoes", field: "shoes", noun: "shoes", keys: []string{"color", "pattern", "material", "boots_length", "type"}},
	Bag:       {name: "bags", field: "bag", noun: "bag", keys: []string{"color", "pattern", "material", "type"}},
	Hat:       {name: "hats", field: "hat", noun: "hat", keys: []string{"color", "pattern", "material", "type"}},
	Belt:      {name: "belts", field: "belt", noun: "belt", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
	Scarf:     {name: "scarf", field: "scarf", noun: "scarf", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
	Style:     {name: "overall style", field: "style", keys: []string{"style"}},
	Headband:  {name: "headband", field: "headband", noun: "headband", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
	Headscarf: {name: "headscarf", field: "headscarf", noun: "headscarf", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
	Veil:      {name: "veil", field: "veil", noun: "veil", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
	Socks:     {name: "socks", field: "socks", noun: "socks", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
	Ties:      {name: "ties", field: "tie", noun: "tie", keys: []string{"color", "pattern", "material", "type"}, fixed: true},
}

// String is the authors' name: "one-piece outfits".
func (g Group) String() string {
	if !g.valid() {
		return fmt.Sprintf("group %d", int(g))
	}
	return groupTable[g].name
}

func (g Group) valid() bool { return 0 <= g && g < groupCount }

// worn reports whether a group is a garment or what is carried like one.
func (g Group) worn() bool { return g >= Special && g.valid() && g != Style }

// has reports whether phrases of a group can have an attribute.
func (g Group) has(key string) bool { return g.valid() && slices.Contains(groupTable[g].keys, key) }

// keyOf is a group's name for an attribute of the lexicon, which says "length" of whatever is
// long; "" if the group has no such thing.
func (g Group) keyOf(key string) string {
	switch {
	case key == "length" && g == Top:
		key = "top_length"
	case key == "length" && g == Coat:
		key = "coat_length"
	case key == "length" && g == Shoes:
		key = "boots_length"
	case key == "cut" && g == Bottom:
		key = "bottom_shape"
	case key == "graphic" && !g.has(key):
		key = "pattern"
	case key == "overall" && g == Style:
		key = "style"
	case g == Hair && strings.HasPrefix(key, "hair "):
		key = key[len("hair "):]
	case key == "style":
		key = "" // overall style is another thing than a hair's
	}
	if !g.has(key) {
		return ""
	}
	return key
}
