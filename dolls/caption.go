package dolls

import (
	"encoding/json"
	"fmt"

	"cosmicman/prompt"
)

// Attributes are what is known of a person by groups, under the names of CosmicMan-HQ's
// aa_text; a group that is not there is nil.
func (p *Person) Attributes() [prompt.Ties + 1]map[string]string {
	var out [prompt.Ties + 1]map[string]string
	set := func(g prompt.Group, key, value string) {
		if value == "" {
			return
		}
		if out[g] == nil {
			out[g] = map[string]string{}
		}
		out[g][key] = value
	}
	set(prompt.Face, "country", p.Country)
	set(prompt.Face, "age", p.Age)
	set(prompt.Face, "gender", p.Gender)
	set(prompt.BodyShape, "body shape", p.Shape)
	set(prompt.Background, "background", p.Background)
	set(prompt.Hair, "hair color", p.HairColor)
	set(prompt.Hair, "hair style", p.HairStyle)
	set(prompt.Hair, "hair length", p.HairLength)
	for g, w := range p.Worn {
		set(g, "type", w.Type)
		set(g, "color", w.Color)
		set(g, "pattern", w.Pattern)
		set(g, "material", w.Material)
		set(g, "sleeve length", w.Sleeve)
		set(g, "collar shape", w.Collar)
		set(g, "bottom shape", w.Cut)
		switch g {
		case prompt.Coat:
			set(g, "coat length", w.Length)
		case prompt.Shoes:
			set(g, "boots length", w.Length)
		default:
			set(g, "length", w.Length)
		}
	}
	return out
}

// fieldNames are the outfit's fields of package prompt.
var fieldNames = func() map[prompt.Group]string {
	names := map[prompt.Group]string{}
	for _, g := range prompt.Vocabulary().Groups {
		names[prompt.Group(g.Index)] = g.Field
	}
	return names
}()

// Caption is the person in the captions' words.
func (p *Person) Caption() string {
	body, outfit := map[string]any{"shot": p.Shot}, map[string]any{}
	for i, attributes := range p.Attributes() {
		switch g := prompt.Group(i); {
		case attributes == nil:
		case g == prompt.Face:
			for key, value := range attributes {
				body[key] = value
			}
		case g == prompt.BodyShape:
			body["shape"] = p.Shape
		case g == prompt.Background:
			body["background"] = p.Background
		case g == prompt.Hair:
			body["hair"] = attributes
		default:
			outfit[fieldNames[g]] = attributes
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of strings
	}
	o, err := json.Marshal(outfit)
	if err != nil {
		panic(err)
	}
	r, err := prompt.Compose(b, o, "")
	if err != nil {
		panic(fmt.Sprintf("a person that package prompt has no words for: %v", err))
	}
	return r.Caption
}

// LabelsOf are the labels of a parsing map that show a group, nil if none does.
func (p *Person) LabelsOf(g prompt.Group) []Label {
	switch g {
	case prompt.Face:
		return []Label{Face}
	case prompt.Background:
		return []Label{Background}
	case prompt.Hair:
		if p.HairStyle == "bald" {
			return []Label{Face}
		}
		return []Label{Hair}
	case prompt.OnePiece:
		return []Label{Dress}
	case prompt.Top, prompt.Coat:
		return []Label{UpperClothes}
	case prompt.Bottom:
		if b := p.garment(prompt.Bottom); b != nil && b.Type == "skirt" {
			return []Label{Skirt}
		}
		return []Label{Pants}
	case prompt.Shoes:
		return []Label{LeftShoe, RightShoe}
	case prompt.Bag:
		return []Label{Bag}
	case prompt.Hat, prompt.Headband, prompt.Headscarf:
		return []Label{Hat}
	case prompt.Belt:
		return []Label{Belt}
	case prompt.Scarf, prompt.Ties:
		return []Label{Scarf} // the set has none of its own for ties
	case prompt.Socks:
		return []Label{LeftLeg, RightLeg} // nor for socks: they are where legs are
	}
	return nil
}
