package dolls

import (
	"slices"

	"cosmicman/prompt"
)

// What people can have, in the captions' words.
var (
	shots       = []choice[string]{{40, "full_body"}, {14, "nearly_full_body"}, {18, "upper_body"}, {14, "portrait"}, {14, "headshot"}}
	countries   = []string{"Asian", "Caucasian", "African", "Latino", "Indian"}
	ages        = []choice[string]{{10, "toddler"}, {16, "child"}, {18, "teenager"}, {38, "adult"}, {18, "elderly"}}
	genders     = []string{"female", "male"}
	shapes      = []choice[string]{{50, "fit"}, {20, "slim"}, {20, "plus-size"}, {10, "muscular"}}
	hairColors  = []string{"black", "brown", "blonde", "red", "gray", "white"}
	hairLengths = []string{"above eyes", "above chin", "above shoulders", "above chest"}
)

// hairstyles have the lengths that they can be drawn in; none: the length cannot be told.
var hairstyles = []struct {
	style        string
	female, male int // how common
	lengths      []string
}{
	{"straight", 20, 22, hairLengths},
	{"wavy", 18, 14, hairLengths[1:]},
	{"curly", 16, 14, hairLengths},
	{"bun", 10, 4, nil},
	{"bob", 10, 2, nil},
	{"ponytail", 12, 4, nil},
	{"afro-hair", 8, 10, nil},
	{"crew cut", 2, 18, nil},
	{"bald", 2, 12, nil},
}

// people who are seen to the feet, to the hips, to the chest, to the shoulders.
func (p *Person) feet() bool { return p.Shot == "full_body" }
func (p *Person) legs() bool { return p.feet() || p.Shot == "nearly_full_body" }
func (p *Person) arms() bool { return p.legs() || p.Shot == "upper_body" }

// Draw makes up one person: number index of those that follow from a seed.
func Draw(seed, index uint64) *Person {
	return made(randomOf(seed, index), false)
}

// DrawSimple makes up a person of fewer kinds, what a small model learns first: grown-ups,
// whole or as a headshot, before three backgrounds, in plain clothes of six colours, without
// coats, things carried or worn around the neck.
func DrawSimple(seed, index uint64) *Person {
	return made(randomOf(seed, index), true)
}

func made(r random, simple bool) *Person {
	p := &Person{
		Shot: weighted(r, shots), Country: one(r, countries...), Age: weighted(r, ages), Gender: one(r, genders...), Shape: weighted(r, shapes),
		Background: one(r, backgroundNames...), Worn: map[prompt.Group]*Garment{}, under: map[prompt.Group]*Garment{},
		seed: r.source.Uint64(),
	}
	if simple {
		p.Shot, p.Age, p.Shape = one(r, "full_body", "full_body", "headshot"), "adult", "fit"
		p.Background = one(r, "a white wall", "a park", "a starry night sky")
	}
	if p.Shape == "muscular" && p.young() {
		p.Shape = "fit"
	}
	if !p.arms() {
		p.Shape = "" // not to be seen
	}
	p.drawPose(r)
	p.drawHair(r)
	p.dress(r, simple)
	if simple {
		p.pose = pose{left: armAway, right: armAway, tone: p.pose.tone, eyes: p.pose.eyes, part: 1, wide: 100, tall: 100, closer: 100}
		for g := prompt.Special; g <= prompt.Ties; g++ {
			if w := p.garment(g); w != nil {
				w.simplify(one(r, simpleColors...))
			}
		}
	}
	return p
}

// simplify leaves a garment one colour, and the cloth that paint can be.
func (g *Garment) simplify(color string) {
	g.Color = color
	if g.Pattern != "" {
		g.Pattern = "solid color"
	}
	switch {
	case g.Type == "jeans":
		g.Type, g.Material = "pants", "cotton"
	case g.Material == "denim":
		g.Material = "cotton"
	case g.Material == "straw":
		g.Material = "woven"
	}
}

// simpleColors are those of simple people's clothes.
var simpleColors = []string{"black", "white", "red", "blue", "green", "yellow"}

func (p *Person) drawPose(r random) {
	o := &p.pose
	arms := []choice[arm]{{34, armDown}, {26, armAway}, {22, armHip}, {10, armWave}, {8, armBent}}
	o.left, o.right = weighted(r, arms), weighted(r, arms)
	if o.left == armWave && o.right == armWave {
		o.right = armHip
	}
	o.stance = r.below(4)
	o.tilt = one(r, 0, 0, -4, 4, -7, 7)
	o.mouth = weighted(r, []choice[mouth]{{40, mouthSmile}, {22, mouthLaugh}, {22, mouthCalm}, {8, mouthSad}, {8, mouthOh}})
	o.brows = r.within(-1, 1)
	if o.mouth == mouthSad {
		o.brows = -1
	}
	o.gaze = one(r, 0, 0, 0, -1, 1)
	o.tone, o.eyes = r.below(3), r.below(4)
	o.part = one(r, -1, 1)
	o.wide, o.tall = r.within(94, 106), r.within(95, 105)
	o.shift, o.closer = r.within(-30, 30), r.within(93, 100)
	switch n := r.below(100); {
	case n < 12 && !(p.Age == "toddler"):
		o.glasses = 1
	case n < 17 && !p.young():
		o.glasses = 2
	}
	if !p.female() && (p.Age == "adult" || p.Age == "elderly") {
		o.beard = one(r, 0, 0, 0, 1, 2, 3)
	}
}

func (p *Person) drawHair(r random) {
	var styles []choice[int]
	for i, s := range hairstyles {
		n := s.male
		if p.female() {
			n = s.female
		}
		if s.style == "bald" && (p.young() || p.Age == "teenager") {
			n = 1
		}
		styles = append(styles, choice[int]{n, i})
	}
	s := hairstyles[weighted(r, styles)]
	p.HairStyle = s.style
	lengths := s.lengths
	if !p.female() && len(lengths) == len(hairLengths) {
		lengths = append(lengths, "above eyes", "above eyes", "above eyes") // more often short
	}
	if len(lengths) > 0 {
		p.HairLength = one(r, lengths...)
	}
	color := one(r, hairColors...)
	if p.Age == "elderly" && r.chance(50) {
		color = one(r, "gray", "white")
	}
	if p.HairStyle != "bald" {
		p.HairColor = color
	}
}

// dress chooses an outfit that can be seen as a whole: no caption names what the shot or
// another garment hides.
func (p *Person) dress(r random, simple bool) {
	w := p.Worn
	if p.arms() && r.chance(map[bool]int{true: 32, false: 6}[p.female()]) {
		w[prompt.OnePiece] = p.onePiece(r)
	} else {
		w[prompt.Top] = p.top(r)
		p.under[prompt.Bottom] = p.bottom(r)
	}
	if !simple && r.chance(24) {
		p.coat(r)
	}
	p.footwear(r)
	p.headwear(r)
	if !simple {
		p.accessories(r)
	}
	if p.Shot == "headshot" && (w[prompt.Coat] != nil || w[prompt.Headscarf] != nil) {
		// Too little is seen of what is beneath.
		p.under[prompt.Top] = w[prompt.Top]
		delete(w, prompt.Top)
	}
	if p.legs() && p.under[prompt.Bottom] != nil {
		w[prompt.Bottom] = p.under[prompt.Bottom]
		if !p.feet() {
			w[prompt.Bottom].Cut = ""
		}
	}
}

var patterns = []choice[string]{{50, "solid color"}, {15, "striped"}, {13, "plaid"}, {11, "floral"}, {11, "polka dot"}}

func (p *Person) top(r random) *Garment {
	types := []choice[string]{{20, "t-shirt"}, {16, "shirt"}, {10, "hoodie"}, {12, "sweater"}, {8, "sweatshirt"}, {8, "polo shirt"}, {7, "tank top"}}
	if p.female() {
		types = append(types, choice[string]{12, "blouse"})
	}
	g := &Garment{Type: weighted(r, types), Color: one(r, garmentColors...), Pattern: weighted(r, patterns), Material: "cotton"}
	switch g.Type {
	case "t-shirt":
		g.Sleeve, g.Collar = "short sleeve", one(r, "round neck", "v neckline")
		if r.chance(25) && p.Shot != "headshot" {
			g.Pattern = "graphic"
		}
	case "shirt":
		g.Sleeve, g.Collar = one(r, "long sleeve", "long sleeve", "short sleeve"), "collared"
		if r.chance(20) {
			g.Material, g.Pattern, g.Color = "denim", "solid color", one(r, "blue", "gray", "black")
		}
	case "blouse":
		g.Sleeve, g.Collar, g.Material = one(r, "long sleeve", "short sleeve"), one(r, "v neckline", "high neck"), "silk"
	case "polo shirt":
		g.Sleeve, g.Collar = "short sleeve", "collared"
		g.Pattern = one(r, "solid color", "striped")
	case "sweater":
		g.Sleeve, g.Collar, g.Material = "long sleeve", one(r, "high neck", "round neck", "v neckline"), "knitted"
		g.Pattern = one(r, "solid color", "solid color", "striped")
	case "hoodie", "sweatshirt":
		g.Sleeve = "long sleeve"
		g.Pattern = one(r, "solid color", "solid color", "striped", "graphic")
		if p.Shot == "headshot" && g.Pattern == "graphic" {
			g.Pattern = "striped"
		}
		if g.Type == "sweatshirt" {
			g.Collar = "round neck"
		}
	case "tank top":
		g.Sleeve, g.Collar = "sleeveless", "scoop neckline"
		if p.Shot == "headshot" {
			g.Type, g.Collar = "t-shirt", "round neck"
		}
	}
	if !p.arms() {
		g.Sleeve = "" // only the shoulders are seen; see sleeved
	}
	return g
}

func (p *Person) onePiece(r random) *Garment {
	g := &Garment{Type: "dress", Color: one(r, garmentColors...), Pattern: weighted(r, patterns), Material: one(r, "cotton", "silk", "")}
	g.Sleeve = one(r, "sleeveless", "short sleeve", "long sleeve")
	g.Collar = one(r, "scoop neckline", "v neckline", "round neck")
	g.Length = one(r, "short", "midi", "maxi")
	if !p.female() || r.chance(20) {
		g.Type, g.Length = "jumpsuit", ""
	}
	if !p.legs() {
		g.Type, g.Length = "dress", ""
		if !p.female() {
			g.Type = "jumpsuit"
		}
	}
	return g
}

func (p *Person) bottom(r random) *Garment {
	types := []choice[string]{{22, "pants"}, {22, "jeans"}, {16, "shorts"}, {8, "sweatpants"}}
	if p.female() {
		types = append(types, choice[string]{24, "skirt"}, choice[string]{8, "leggings"})
	}
	g := &Garment{Type: weighted(r, types), Color: one(r, garmentColors...), Pattern: "solid color", Material: "cotton"}
	switch g.Type {
	case "pants":
		g.Cut = one(r, "straight", "tapered", "wide-leg")
		g.Pattern = one(r, "solid color", "solid color", "solid color", "plaid", "striped")
	case "jeans":
		g.Material, g.Color, g.Cut = "denim", one(r, "blue", "blue", "black", "gray"), one(r, "straight", "tapered", "wide-leg")
	case "shorts":
		g.Material, g.Pattern = "", one(r, "solid color", "solid color", "plaid", "striped", "floral")
	case "sweatpants":
		g.Cut = "tapered"
	case "leggings":
		g.Material, g.Cut = "", "close-fitting"
	case "skirt":
		g.Length, g.Material = one(r, "short", "midi", "maxi"), ""
		if r.chance(40) {
			g.Cut = "pleated"
		}
		g.Pattern = weighted(r, patterns)
	}
	return g
}

func (p *Person) coat(r random) {
	inner := p.garment(prompt.Top)
	if one := p.garment(prompt.OnePiece); one != nil {
		inner = one
	}
	g := &Garment{Type: one(r, "jacket", "jacket", "overcoat", "blazer", "cardigan"), Color: one(r, garmentColors...), Pattern: "solid color"}
	switch g.Type {
	case "jacket":
		g.Length, g.Material = "short", one(r, "leather", "denim", "cotton")
		if g.Material == "leather" {
			g.Color = one(r, "black", "brown", "red")
		}
		if g.Material == "denim" {
			g.Color = one(r, "blue", "black", "gray")
		}
	case "overcoat":
		g.Length, g.Material = "long", "woven"
		g.Pattern = one(r, "solid color", "solid color", "plaid")
	case "blazer":
		g.Length, g.Material, g.Collar = "normal", "woven", "v neckline"
		g.Pattern = one(r, "solid color", "plaid", "striped")
	case "cardigan":
		g.Length, g.Material, g.Collar = "normal", "knitted", "v neckline"
	}
	if !p.legs() {
		g.Length = ""
	}
	// What lies beneath must differ, and shows no sleeves.
	for inner.Color == g.Color {
		g.Color = one(r, garmentColors...)
		if g.Material == "denim" || g.Material == "leather" {
			g.Material = "cotton"
		}
	}
	inner.Sleeve = ""
	if !p.arms() && inner.Pattern != "striped" {
		inner.Pattern = "solid color" // too little of it is seen
	}
	if p.Shot == "headshot" {
		g.Pattern = "solid color"
	}
	if inner.Type == "hoodie" || inner.Type == "polo shirt" {
		inner.Type, inner.Collar = "t-shirt", "round neck"
	}
	p.Worn[prompt.Coat] = g
}

func (p *Person) footwear(r random) {
	types := []choice[string]{{30, "sneakers"}, {18, "boots"}, {14, "loafers"}, {10, "oxford shoes"}, {8, "sandals"}}
	if p.female() && !p.young() {
		types = append(types, choice[string]{16, "high heels"})
	}
	g := &Garment{Type: weighted(r, types), Color: one(r, garmentColors...), Material: "leather"}
	switch g.Type {
	case "sneakers":
		g.Material = "canvas"
	case "boots":
		g.Color = one(r, "black", "brown", "beige", "red", "white", "gray")
		g.Length = one(r, "ankle boots", "knee-high boots")
		if !p.bare() {
			g.Length = "ankle boots"
		}
	case "loafers", "oxford shoes":
		g.Color = one(r, "black", "brown", "red", "beige", "white", "blue")
	}
	if !p.feet() {
		// Boots to the knee would be seen where feet are not.
		g.Type, g.Length = "sneakers", ""
		p.under[prompt.Shoes] = g
		return
	}
	p.Worn[prompt.Shoes] = g
	if p.bare() && (g.Type == "sneakers" || g.Type == "loafers" || g.Type == "oxford shoes") && r.chance(55) {
		s := &Garment{Type: "socks", Color: one(r, garmentColors...), Pattern: "solid color", Material: "cotton"}
		for s.Color == g.Color {
			s.Color = one(r, garmentColors...)
		}
		if r.chance(40) {
			s.Type, s.Pattern = "knee socks", one(r, "solid color", "striped")
		}
		p.Worn[prompt.Socks] = s
	}
}

// bare reports whether shins are seen.
func (p *Person) bare() bool {
	if d := p.garment(prompt.OnePiece); d != nil {
		return d.Type == "dress" && (d.Length == "short" || d.Length == "midi")
	}
	b := p.garment(prompt.Bottom)
	return b.Type == "shorts" || b.Type == "skirt" && b.Length != "maxi"
}

func (p *Person) headwear(r random) {
	switch n := r.below(100); {
	case n < 24:
		g := &Garment{Type: one(r, "hat", "baseball cap", "beanie", "beret"), Color: one(r, garmentColors...)}
		switch g.Type {
		case "hat":
			g.Material = one(r, "straw", "woven")
			if g.Material == "straw" {
				g.Color = "beige"
			}
		case "baseball cap":
			g.Material = "cotton"
		case "beanie":
			g.Material = "knitted"
		case "beret":
			g.Material = "wool"
		}
		p.Worn[prompt.Hat] = g
		if p.HairStyle == "bun" || p.HairStyle == "ponytail" || p.HairStyle == "afro-hair" || p.HairStyle == "crew cut" {
			// A hat would hide what they are.
			p.HairStyle, p.HairLength = "straight", "above chin"
		}
		if p.HairLength == "above eyes" {
			p.HairLength = "above chin"
		}
	case n < 29 && p.HairStyle != "bald" && p.HairStyle != "crew cut":
		p.Worn[prompt.Headband] = &Garment{Type: "headband", Color: one(r, "red", "blue", "pink", "white", "green", "yellow", "purple"), Pattern: one(r, "solid color", "polka dot")}
	case n < 33 && p.female() && !p.young():
		p.Worn[prompt.Headscarf] = &Garment{Type: "headscarf", Color: one(r, garmentColors...), Pattern: one(r, "solid color", "floral", "polka dot"), Material: "silk"}
		p.HairStyle, p.HairLength, p.HairColor = "", "", ""
	}
}

func (p *Person) accessories(r random) {
	w := p.Worn
	_, coat := w[prompt.Coat]
	top := p.garment(prompt.Top)
	if r.chance(14) && w[prompt.Headscarf] == nil && (top == nil || top.Type != "hoodie") {
		s := &Garment{Type: "scarf", Color: one(r, garmentColors...), Pattern: one(r, "solid color", "striped", "plaid"), Material: one(r, "knitted", "wool", "silk")}
		w[prompt.Scarf] = s
		if top != nil {
			top.Collar = ""
			if p.Shot == "headshot" {
				top.Pattern = "solid color" // little more than the shoulders is seen
			}
		}
		if one := p.garment(prompt.OnePiece); one != nil {
			one.Collar = ""
		}
	} else if top != nil && top.Type == "shirt" && top.Material == "cotton" && r.chance(45) && p.Age != "toddler" && w[prompt.Headscarf] == nil {
		t := &Garment{Type: one(r, "tie", "tie", "bow tie"), Color: one(r, garmentColors...), Pattern: one(r, "solid color", "striped"), Material: "silk"}
		for t.Color == top.Color {
			t.Color = one(r, garmentColors...)
		}
		if t.Type == "bow tie" || p.Shot == "headshot" {
			t.Pattern = "solid color"
		}
		w[prompt.Ties] = t
		top.Pattern = "solid color"
	}
	if d := p.garment(prompt.OnePiece); d != nil && !coat && r.chance(40) {
		b := &Garment{Type: "belt", Color: one(r, "black", "brown", "white", "red", "yellow"), Material: "leather"}
		for b.Color == d.Color {
			b.Color = one(r, "black", "brown", "white", "red", "yellow")
		}
		w[prompt.Belt] = b
	}
	if p.arms() && r.chance(26) {
		g := &Garment{Type: one(r, "backpack", "handbag", "shoulder bag", "tote bag"), Color: one(r, garmentColors...), Material: one(r, "leather", "canvas")}
		if !p.legs() {
			g.Type = "backpack" // the others hang lower
		}
		body := w[prompt.Coat]
		if body == nil {
			body = top
		}
		if body == nil {
			body = w[prompt.OnePiece]
		}
		for g.Color == body.Color {
			g.Color = one(r, garmentColors...)
		}
		if g.Type == "handbag" || g.Type == "tote bag" {
			p.pose.right = armDown
		}
		if g.Type == "shoulder bag" && slices.Contains([]arm{armHip, armBent}, p.pose.left) {
			p.pose.left = armDown
		}
		w[prompt.Bag] = g
	}
}
