package dolls

import "cosmicman/prompt"

// Style is how people are drawn.
type Style string

const (
	Shaded Style = "shaded" // anti-aliased figures with light and outlines
	Pixel  Style = "pixel"  // pixel art on a grid of 64, in the palette's exact colours
)

// Person is everything that is known of a drawn person. What the captions have words for is
// in the words of package prompt; a nil garment is not worn, or not seen in the shot.
type Person struct {
	Shot                             string // full_body, nearly_full_body, upper_body, portrait, headshot
	Country, Age, Gender, Shape      string
	Background                       string
	HairStyle, HairLength, HairColor string
	Worn                             map[prompt.Group]*Garment

	under map[prompt.Group]*Garment // drawn, though the caption can't tell what it is
	pose  pose
	seed  uint64 // of what has no name: clouds, windows, flowers
}

// Garment is what is worn or carried, in the words of the captions. An empty attribute has none.
type Garment struct {
	Type, Color, Pattern, Material string
	Sleeve                         string
	Collar                         string
	Length                         string // top, coat, boots and bottom length alike
	Cut                            string // bottom shape
}

// pose is what a caption does not tell.
type pose struct {
	left, right arm // the person's own
	stance      int // 0 straight, 1 apart, 2 and 3 the weight on one leg
	tilt        int // of the head, degrees
	mouth       mouth
	brows       int // -1 worried, 0, 1 raised
	gaze        int // -1, 0, 1
	tone        int // of the skin
	eyes        int // their colour
	glasses     int // 0 none, 1 clear, 2 dark
	beard       int // 0 none, 1 stubble, 2 full, 3 moustache
	part        int // which side hair is parted on: -1, 1
	wide, tall  int // proportions, in 100ths
	shift       int // from the middle, in 100ths of a head
	closer      int // zoom, in 100ths
}

type arm int

const (
	armDown arm = iota
	armAway
	armHip
	armWave
	armBent
	armCount
)

type mouth int

const (
	mouthSmile mouth = iota
	mouthLaugh
	mouthCalm
	mouthSad
	mouthOh
	mouthCount
)

// garment is what is worn of a group, seen or not; nil: nothing.
func (p *Person) garment(g prompt.Group) *Garment {
	if w := p.Worn[g]; w != nil {
		return w
	}
	return p.under[g]
}

func (p *Person) skin() rgb { return skins[p.Country][p.pose.tone] }

func (p *Person) young() bool { return p.Age == "toddler" || p.Age == "child" }

func (p *Person) female() bool { return p.Gender == "female" }
