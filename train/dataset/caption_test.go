package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cosmicman/dolls"
	"cosmicman/prompt"
	"cosmicman/tokenizer"
	"cosmicman/train"
)

// said is the text of a caption's phrases, with group, shot and labels.
func said(c Caption) (out []string) {
	for _, p := range c.Phrases {
		who := p.Group.String()
		if p.Shot {
			who = "shot"
		}
		text := fmt.Sprintf("%s: %s %v", who, c.Text[p.Span[0]:p.Span[1]], p.Labels)
		if p.Foreground {
			text += " person"
		}
		out = append(out, text)
	}
	return out
}

func published(attributes, labels, shot string) *Item {
	return &Item{Source: &Source{Labels: ATR()}, words: words{byGroups: true, attributes: attributes, labels: labels, shot: shot}}
}

func free(text string) *Item { return &Item{Source: &Source{Labels: ATR()}, words: words{text: text}} }

const everything = `[{"country":"Asian","age":"adult","gender":"female"},{"body shape":"fit"},{"background":"a beige wall"},
{"hair length":"above chest","hair color":"brown","hair style":"wavy"},null,null,
{"type":"shirt","color":"white","sleeve length":"short sleeve","material":"cotton"},null,{"type":"jeans","color":"blue"},
{"type":"sneakers"},null,{"type":"hat","material":"leather"},{"material":"leather"},null,{"overall-style":"casual"},null,null,null,{"material":"cotton"},{"pattern":"plaid"}]`

const everywhere = `[[11],null,[0],[2],null,null,[4],null,[6],[9,10],null,[1],[8],null,null,null,null,null,[12,13],null]`

func TestCaptionInOrder(t *testing.T) {
	i := published(everything, everywhere, "full_body")
	c := i.Caption(nil, PublishedCaptions(), false)
	want := "a full-body shot, a Asian adult female, fit, a beige wall, above chest wavy brown hair, short sleeve white cotton shirt, blue jeans, sneakers, leather hat, leather belt, casual, cotton socks, plaid ties"
	if c.Text != want {
		t.Errorf("got  %q\nwant %q", c.Text, want)
	}
	wantSaid := []string{
		"shot: a full-body shot [] person", "face: a Asian adult female [11]", "body shape: fit [] person", "background: a beige wall [0]",
		"hair: above chest wavy brown hair [2]", "tops: short sleeve white cotton shirt [4]", "bottoms: blue jeans [6]", "shoes: sneakers [9 10]",
		"hats: leather hat [1]", "belts: leather belt [8]", "overall style: casual []", "socks: cotton socks [12 13]", "ties: plaid ties []",
	}
	if got := said(c); !slices.Equal(got, wantSaid) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantSaid, "\n"))
	}
	o := PublishedCaptions()
	o.Article = GrammarsA
	o.First = []prompt.Group{prompt.Ties, prompt.Face}
	if c := i.Caption(nil, o, false); !strings.HasPrefix(c.Text, "a full-body shot, plaid ties, an Asian adult female, fit, a beige wall") {
		t.Errorf("another order: %q", c.Text)
	}
}

// TestCaptionsOfDollsAreThoseForDrawing: in order and without drops, the captions are
// what package prompt writes of the same person.
func TestCaptionsOfDollsAreThoseForDrawing(t *testing.T) {
	s := open(t, small(Source{Path: people(t, 200, 32, 32)}))
	o := CaptionOptions{Article: GrammarsA}
	for n, i := range s.Items() {
		if got, want := i.Caption(nil, o, false).Text, dolls.Draw(7, uint64(n)).Caption(); got != want {
			t.Errorf("doll %d\ngot  %q\nwant %q", n, got, want)
		}
	}
}

// TestPublishedChances: how often groups are left out and where they stand, over many
// visits.
func TestPublishedChances(t *testing.T) {
	i := published(everything, everywhere, "full_body")
	const visits = 4000
	seen, places := map[prompt.Group]int{}, map[prompt.Group]map[int]int{}
	adjectives := map[string]int{}
	for n := range int64(visits) {
		c := i.Caption(train.Chance(1, "test", n), PublishedCaptions(), false)
		if !c.Phrases[0].Shot {
			t.Fatalf("%q does not begin with the shot", c.Text)
		}
		place := 0
		last := prompt.Group(-1)
		for _, p := range c.Phrases[1:] {
			seen[p.Group]++
			if p.Group <= prompt.Background {
				if p.Group < last {
					t.Fatalf("%q: the first groups are not in order", c.Text)
				}
				last = p.Group
				continue
			}
			if places[p.Group] == nil {
				places[p.Group] = map[int]int{}
			}
			places[p.Group][place]++
			place++
			if p.Group == prompt.Top {
				adjectives[c.Text[p.Span[0]:p.Span[1]]]++
			}
		}
	}
	for g, n := range seen {
		want := 0.9
		if g >= prompt.Style {
			want = 0.45
		}
		if got := float64(n) / visits; math.Abs(got-want) > 0.03 {
			t.Errorf("%s is in %.3f of the captions, expected %.2f", g, got, want)
		}
	}
	if first := float64(places[prompt.Hair][0]) / float64(seen[prompt.Hair]); first > 0.25 || first < 0.08 {
		t.Errorf("hair is the first of the shuffled groups in %.2f of the captions", first)
	}
	if len(adjectives) != 6 {
		t.Errorf("three adjectives stand in %d orders, expected 6: %v", len(adjectives), adjectives)
	}
	for text := range adjectives {
		if !strings.HasSuffix(text, " shirt") {
			t.Errorf("%q does not end with the noun", text)
		}
	}
}

// TestCaptionsFitTheEncoder: with CLIP's own tokenizer, groups go whole and from the end.
func TestCaptionsFitTheEncoder(t *testing.T) {
	tok := tokenizer.Default()
	o := PublishedCaptions()
	o.Tokens = func(text string) int {
		tokens, err := tok.Tokenize(text)
		if err != nil {
			t.Fatal(err)
		}
		return len(tokens)
	}
	long := strings.ReplaceAll(everything, "a beige wall", strings.Repeat("a long street with many trees and ", 8)+"lamps")
	i := published(long, everywhere, "full_body")
	whole := i.Caption(nil, CaptionOptions{}, false)
	c := i.Caption(nil, o, false)
	if n := o.Tokens(c.Text); n > 75 || n < 55 || !strings.HasPrefix(whole.Text, c.Text+", ") {
		t.Errorf("%d tokens: %q", n, c.Text)
	}
	o.MaxTokens = 3
	if c := i.Caption(nil, o, false); c.Text != "a full-body shot" {
		t.Errorf("of three tokens: %q", c.Text)
	}
	// Each phrase is found again among the tokens.
	layout, err := prompt.Split(tok, c.Text, prompt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	groups := c.Groups(layout.Windows[0])
	if len(groups) != len(c.Phrases) || groups[0].Tokens[0] != 1 || !groups[0].Foreground {
		t.Fatalf("%d groups of %d phrases: %+v", len(groups), len(c.Phrases), groups)
	}
	for n, g := range groups[1:] {
		if g.Tokens[0] != groups[n].Tokens[1]+1 { // a comma between them
			t.Errorf("group %d has tokens %v behind %v", n+1, g.Tokens, groups[n].Tokens)
		}
	}
	if s := c.Sample(layout.Windows[0], train.ParsingMap{}); s.Groups != nil {
		t.Errorf("%d groups without a map", len(s.Groups))
	}
}

// TestAPhraseThatOccursTwiceHasTwoSpans: which a search would not find.
func TestAPhraseThatOccursTwiceHasTwoSpans(t *testing.T) {
	i := published(`[null,null,null,null,null,null,{"type":"red coat"},{"type":"red coat"}]`, `[null,null,null,null,null,null,[4],[16]]`, "")
	c := i.Caption(nil, CaptionOptions{}, false)
	if c.Text != "red coat, red coat" || c.Phrases[0].Span != [2]int{0, 8} || c.Phrases[1].Span != [2]int{10, 18} || c.Phrases[1].Labels[0] != 16 {
		t.Errorf("%q: %+v", c.Text, c.Phrases)
	}
}

func TestNoCaptionIsEmpty(t *testing.T) {
	o := PublishedCaptions()
	o.GroupDropout = 1
	i := published(`[null,null,null,null,null,null,null,null,{"type":"jeans"},{"type":"boots"}]`, "", "")
	if c := i.Caption(train.Chance(1, "test"), o, false); c.Text != "jeans" || len(c.Phrases) != 1 {
		t.Errorf("all dropped: %q", c.Text)
	}
}

func TestAttributesInOddForms(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`[{"Gender":"male","AGE":"child"}]`, "a child male"},
		{`[{"country":["Asian","Indian"],"gender":"male"}]`, "a Asian Indian male"},
		{`[{"country":"  African   ","gender":null}]`, "a African"},
		{`[null,null,null,{"hair_color":"red"}]`, "red hair"},
		{`[null,null,null,{"hair color":null}, {"type":"saree"}]`, "saree"},
		{`[null,null,null,null,null,null,null,null,null,{"type":"boots","boots length":"ankle boots"}]`, "ankle boots"},
		{`[null,null,null,null,null,null,null,null,{"type":"jeans","material":"denim jeans","color":"blue","zip":"two"}]`, "blue denim two jeans"},
		{`[null,null,null,null,null,null,null,null,null,null,{"material":2}]`, "2"},
		{`[null,null,null,null,null,null,null,null,null,null,null,null,{"type":"belt"}]`, "belt"},
	} {
		i := published(c.text, "", "")
		if got := i.Caption(nil, CaptionOptions{}, false).Text; got != c.want {
			t.Errorf("%s: %q, expected %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		``:                "no aa_text",
		`{}`:              "no list of null and objects",
		`[{"a":true}]`:    `group 0 (face): "a": true is no string`,
		`[{"a":[["x"]]}]`: "a list in a list",
		`[] []`:           "more follows",
		`[]`:              "says nothing of any group",
		`[{"gender":""}]`: "says nothing of any group",
		"[" + strings.Repeat("null,", 20) + "null]":    "21 groups, expected at most 20",
		`[{"a":"` + strings.Repeat("x", 70000) + `"}]`: "70010 bytes, expected at most 65536",
	} {
		if err := published(text, "", "").words.check(ATR()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, expected %q", text, err, want)
		}
	}
	for ids, want := range map[string]string{
		`[[18]]`:   "group 0 (face) has label 18, which the table (ATR) does not have",
		`[[-1]]`:   "label -1",
		`[3]`:      "no list of null and lists of labels",
		`[[1.5]]`:  "no list of null and lists of labels",
		`[[1],[2]`: "no list",
	} {
		if err := published(everything, ids, "").words.check(ATR()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", ids, err, want)
		}
	}
}

// TestMirroredCaptions: words and labels of the left become those of the right.
func TestMirroredCaptions(t *testing.T) {
	i := published(`[null,null,{"background":"Left of a bright wall"},null,null,null,null,null,null,{"type":"left boot"}]`, `[null,null,[0],null,null,null,null,null,null,[9]]`, "")
	c := i.Caption(nil, CaptionOptions{}, true)
	if want := []string{"background: Right of a bright wall [0]", "shoes: right boot [10]"}; !slices.Equal(said(c), want) {
		t.Errorf("%q", said(c))
	}
	c = free("a woman, a bag in her left hand, RIGHT-handed, copyright, leftover, rightly").Caption(nil, CaptionOptions{}, true)
	if c.Text != "a woman, a bag in her right hand, LEFT-handed, copyright, leftover, rightly" {
		t.Errorf("%q", c.Text)
	}
	for _, p := range c.Phrases {
		if p.Group == prompt.Bag && c.Text[p.Span[0]:p.Span[1]] != "a bag in her right hand" {
			t.Errorf("the bag is %q", c.Text[p.Span[0]:p.Span[1]])
		}
	}
}

func TestFreeTextHasGroups(t *testing.T) {
	c := free("a full-body shot of a young woman in a red skirt and a white shirt, a bald head, black leather boots").Caption(nil, CaptionOptions{}, false)
	labels := map[prompt.Group][]uint8{}
	for _, p := range c.Phrases {
		labels[p.Group] = p.Labels
	}
	if !slices.Equal(labels[prompt.Bottom], []uint8{5}) || !slices.Equal(labels[prompt.Top], []uint8{4}) || !slices.Equal(labels[prompt.Shoes], []uint8{9, 10}) {
		t.Errorf("%q", said(c))
	}
	if got := ATR().labelsOf(prompt.Bottom, "blue jeans"); !slices.Equal(got, []uint8{6}) {
		t.Errorf("jeans are %v", got)
	}
	if got := ATR().labelsOf(prompt.Hair, "bald"); !slices.Equal(got, []uint8{11}) {
		t.Errorf("a bald head is %v", got)
	}
}

// TestTagsAreShuffledWithTheirSpans: the first stay, a comma inside of a phrase is none
// between tags, and every phrase keeps its words.
func TestTagsAreShuffledWithTheirSpans(t *testing.T) {
	i := free("a woman, red hat,  masterpiece, blue jeans ,, white sneakers")
	i.Source.Trigger = "ohwx person"
	o := CaptionOptions{ShuffleTags: true, KeepTags: 1}
	orders := map[string]bool{}
	for n := range int64(200) {
		c := i.Caption(train.Chance(2, "test", n), o, false)
		orders[c.Text] = true
		if !strings.HasPrefix(c.Text, "ohwx person, a woman, ") || strings.Count(c.Text, ",") != 5 {
			t.Fatalf("%q", c.Text)
		}
		got := said(c)
		slices.Sort(got)
		if want := []string{"bottoms: blue jeans [6]", "face: a woman [11]", "hats: red hat [1]", "shoes: white sneakers [9 10]"}; !slices.Equal(got, want) {
			t.Fatalf("%q: %q", c.Text, got)
		}
	}
	if len(orders) != 24 {
		t.Errorf("%d orders of four tags, expected 24", len(orders))
	}
	plain := i.Caption(train.Chance(2, "test"), CaptionOptions{}, false)
	if plain.Text != "ohwx person, "+i.words.text {
		t.Errorf("not to be shuffled: %q", plain.Text)
	}
}

func TestTriggerAlone(t *testing.T) {
	i := free("")
	i.Source.Trigger = "sks"
	if c := i.Caption(nil, CaptionOptions{ShuffleTags: true}, false); c.Text != "sks" {
		t.Errorf("%q", c.Text)
	}
	j := published(everything, everywhere, "")
	j.Source.Trigger = "sks"
	if c := j.Caption(nil, CaptionOptions{}, false); !strings.HasPrefix(c.Text, "sks, a Asian") || c.Phrases[0].Span[0] != 5 {
		t.Errorf("%q %v", c.Text, c.Phrases[0])
	}
}

func TestCaptionOptionsAreChecked(t *testing.T) {
	err := CaptionOptions{First: []prompt.Group{0, 20, 0}, GroupDropout: math.NaN(), LateDropout: 2, LateFrom: 21, Article: "the", KeepTags: -1, MaxTokens: -1}.Check()
	if err == nil {
		t.Fatal("taken")
	}
	wantAll(t, err.Error(), "group 20", "twice", "group dropout is NaN", "late dropout is 2", "late groups begin with 21", `article is "the"`, "-1 phrases", "most tokens are -1")
}
