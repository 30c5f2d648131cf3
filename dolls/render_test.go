package dolls

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cosmicman/prompt"
)

// styles are all that there are.
var styles = []Style{Shaded, Pixel}

func render(t testing.TB, p *Person, style Style, width, height int) *Drawing {
	t.Helper()
	d, err := p.Render(style, width, height)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// shown are the pixels of a group, and how many of them have a label that does not show it.
func (d *Drawing) shown(p *Person, g prompt.Group) (pixels []rgb, wrong int) {
	labels := p.LabelsOf(g)
	for i, group := range d.groups {
		if group != uint8(g) {
			continue
		}
		pixels = append(pixels, rgb(d.Image.Pix[4*i:4*i+3]))
		if !slices.Contains(labels, Label(d.Map.Pix[i])) {
			wrong++
		}
	}
	return pixels, wrong
}

// distance is the squared distance of two colours.
func distance(a, b rgb) (sum int) {
	for i := range a {
		sum += (int(a[i]) - int(b[i])) * (int(a[i]) - int(b[i]))
	}
	return sum
}

// commonest is the colour that most pixels have.
func commonest(pixels []rgb) rgb {
	count := map[rgb]int{}
	for _, p := range pixels {
		count[p]++
	}
	best := rgb{}
	for _, c := range slices.SortedFunc(maps.Keys(count), func(a, b rgb) int { return bytes.Compare(a[:], b[:]) }) {
		if count[c] > count[best] {
			best = c
		}
	}
	return best
}

// closest is how near the nearest tenth of the pixels comes to a colour, on average.
func closest(pixels []rgb, c rgb) int {
	all := make([]int, len(pixels))
	for i, p := range pixels {
		all[i] = distance(p, c)
	}
	slices.Sort(all)
	n, sum := (len(all)+9)/10, 0
	for _, d := range all[:n] {
		sum += d
	}
	return sum / n
}

// TestWhatIsSaidIsSeen holds that every group of the attributes has pixels, that they have one of
// the group's labels in the map, and that the colour that is said is there.
func TestWhatIsSaidIsSeen(t *testing.T) {
	for i := range uint64(400) {
		p := Draw(23, i)
		for _, style := range styles {
			side := map[Style]int{Shaded: 96, Pixel: 64}[style]
			d := render(t, p, style, side, side)
			for n, attributes := range p.Attributes() {
				g := prompt.Group(n)
				bald := g == prompt.Hair && p.HairStyle == "bald"
				if attributes == nil || g < prompt.Hair || bald {
					continue
				}
				where := fmt.Sprintf("%s person %d, %s", style, i, g)
				pixels, wrong := d.shown(p, g)
				if len(pixels) < 4 || wrong > 0 {
					t.Errorf("%s: %d pixels, %d of them with another group's label: %s", where, len(pixels), wrong, p.Caption())
					continue
				}
				said, colors := attributes["color"], palette
				if g == prompt.Hair {
					said, colors = attributes["hair color"], hairPalette
				}
				want := colors[said]
				if g != prompt.Hair {
					want = p.Worn[g].cloth()
				}
				if style == Pixel {
					if w := p.Worn[g]; w != nil && w.Pattern != "" && w.Pattern != "solid color" {
						// Neither the garment's own nor that of lines on it.
						other := 0
						for _, q := range pixels {
							if q != want && q != seam(ink{color: want}) {
								other++
							}
						}
						if other*60 < len(pixels) || other < 2 {
							t.Errorf("%s: %d of %d pixels have a colour of the pattern %s: %s", where, other, len(pixels), w.Pattern, p.Caption())
						}
					}
					if !slices.Contains(pixels, want) {
						t.Errorf("%s: no pixel has the colour %v of %s, %v has: %s", where, want, said, commonest(pixels), p.Caption())
					}
					continue
				}
				if off := closest(pixels, want); off > 3*24*24 {
					t.Errorf("%s: the colour %v of %s is not there, the nearest is off by %d: %s", where, want, said, off, p.Caption())
				}
			}
			if t.Failed() && i > 100 {
				return
			}
		}
	}
}

// TestPlainGarmentsHaveTheirColor holds that most of a garment of one colour is nearest to that one.
func TestPlainGarmentsHaveTheirColor(t *testing.T) {
	right, all := 0, 0
	for i := range uint64(200) {
		p := Draw(29, i)
		d := render(t, p, Shaded, 128, 128)
		for g, w := range p.Worn {
			if w.Pattern != "solid color" && w.Pattern != "" || w.Material == "denim" {
				continue
			}
			pixels, _ := d.shown(p, g)
			var median rgb
			for c := range median {
				values := make([]int, len(pixels))
				for k, q := range pixels {
					values[k] = int(q[c])
				}
				slices.Sort(values)
				median[c] = uint8(values[len(values)/2])
			}
			best := slices.MinFunc(garmentColors, func(a, b string) int { return distance(palette[a], median) - distance(palette[b], median) })
			all++
			if best == w.Color {
				right++
			}
		}
	}
	if right*100 < 96*all || all < 300 {
		t.Errorf("%d of %d garments have the median colour that is said of them", right, all)
	}
}

// TestMapIsTheFigure holds that pixels without a label are the background's own, and that in
// pixel art all others are not left as they were.
func TestMapIsTheFigure(t *testing.T) {
	for i := range uint64(150) {
		p := Draw(31, i)
		c := newCanvas(grid, grid)
		c.crisp = true
		for k := range c.w * c.h {
			c.pix[4*k+3] = 255
		}
		c.background(p)
		d := render(t, p, Pixel, grid, grid)
		for k, label := range d.Map.Pix {
			if label == uint8(Background) && !bytes.Equal(d.Image.Pix[4*k:4*k+4], c.pix[4*k:4*k+4]) {
				t.Fatalf("person %d: pixel %d,%d has no label and is not the background's: %s", i, k%grid, k/grid, p.Caption())
			}
			if label >= LabelCount {
				t.Fatalf("person %d: label %d", i, label)
			}
		}
	}
}

// TestPixelArtHasFewColors holds that nothing is mixed where pixels are exact.
func TestPixelArtHasFewColors(t *testing.T) {
	for i := range uint64(40) {
		p := Draw(37, i)
		colors := map[rgb]bool{}
		d := render(t, p, Pixel, 256, 256)
		for k := 0; k < len(d.Image.Pix); k += 4 {
			colors[rgb(d.Image.Pix[k:k+3])] = true
		}
		if len(colors) > 60 {
			t.Errorf("person %d has %d colours", i, len(colors))
		}
		// Four times as large is each pixel four times.
		for y := range 256 {
			for x := range 256 {
				if a, b := d.Map.GrayAt(x, y), d.Map.GrayAt(x&^3, y&^3); a != b {
					t.Fatalf("person %d: the map at %d,%d is %d, and %d in its block", i, x, y, a.Y, b.Y)
				}
			}
		}
	}
}

// TestSizes draws people at many sizes: the map has the image's, all is opaque, and the share of the figure
// stays what it is.
func TestSizes(t *testing.T) {
	for i := range uint64(8) {
		p := Draw(41, i)
		for _, style := range styles {
			share := func(d *Drawing) float64 {
				n := 0
				for _, l := range d.Map.Pix {
					if l != 0 {
						n++
					}
				}
				return float64(n) / float64(len(d.Map.Pix))
			}
			want := share(render(t, p, style, 256, 256))
			for _, side := range []int{64, 65, 97, 128, 201, 333, 512} {
				d := render(t, p, style, side, side)
				if d.Image.Bounds() != d.Map.Bounds() || d.Image.Rect.Dx() != side || !d.Image.Opaque() {
					t.Fatalf("%s %d: bounds %v and %v, opaque %t", style, side, d.Image.Bounds(), d.Map.Bounds(), d.Image.Opaque())
				}
				if got := share(d); got < want*0.9 || got > want*1.1 {
					t.Errorf("%s person %d at %d: the figure is %.3f of the image, %.3f at 256: %s", style, i, side, got, want, p.Caption())
				}
			}
			for _, size := range [][2]int{{64, 512}, {512, 64}, {16, 16}, {17, 301}, {129, 127}} {
				d := render(t, p, style, size[0], size[1])
				if d.Image.Rect.Dx() != size[0] || d.Image.Rect.Dy() != size[1] || !d.Image.Opaque() || share(d) == 0 {
					t.Errorf("%s %v: bounds %v, opaque %t, figure %.3f", style, size, d.Image.Rect, d.Image.Opaque(), share(d))
				}
			}
		}
	}
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	p := Draw(1, 1)
	for _, c := range []struct {
		style         Style
		width, height int
		want          string
	}{
		{Shaded, 15, 64, "size is 15x64, expected 16 to 4096 pixels a side"},
		{Shaded, 64, 4097, "size is 64x4097, expected 16 to 4096 pixels a side"},
		{Pixel, -1, 64, "size is -1x64, expected 16 to 4096 pixels a side"},
		{"oil", 64, 64, `style is "oil", expected shaded or pixel`},
		{"", 64, 64, `style is "", expected shaded or pixel`},
	} {
		if _, err := p.Render(c.style, c.width, c.height); err == nil || err.Error() != c.want {
			t.Errorf("%q %dx%d: %v, want %s", c.style, c.width, c.height, err, c.want)
		}
	}
}

// TestAllIsDrawn holds that every value and every label occurs, and how often pixels of each label do.
func TestAllIsDrawn(t *testing.T) {
	seen := map[string]bool{}
	labels := map[uint8]bool{}
	for i := range uint64(6000) {
		p := Draw(43, i)
		seen["shot "+p.Shot] = true
		for g, attributes := range p.Attributes() {
			for key, value := range attributes {
				seen[prompt.Group(g).String()+" "+key+" "+value] = true
			}
		}
		if i < 400 {
			for _, l := range render(t, p, Pixel, 64, 64).Map.Pix {
				labels[l] = true
			}
		}
	}
	want := []string{"shot full_body", "shot nearly_full_body", "shot upper_body", "shot portrait", "shot headshot"}
	add := func(prefix string, values ...string) {
		for _, v := range values {
			want = append(want, prefix+" "+v)
		}
	}
	add("face country", countries...)
	add("face age", "toddler", "child", "teenager", "adult", "elderly")
	add("face gender", genders...)
	add("body shape body shape", "fit", "slim", "plus-size", "muscular")
	add("background background", backgroundNames...)
	add("hair hair color", hairColors...)
	add("hair hair length", hairLengths...)
	for _, s := range hairstyles {
		add("hair hair style", s.style)
	}
	for _, g := range []string{"one-piece outfits", "tops", "coats", "bottoms", "shoes", "bags", "hats", "scarf", "socks", "ties"} {
		add(g+" color", garmentColors...)
	}
	for g, patterns := range map[string]string{
		"tops": "solid color,striped,plaid,floral,polka dot,graphic", "one-piece outfits": "solid color,striped,plaid,floral,polka dot",
		"bottoms": "solid color,striped,plaid,floral,polka dot", "coats": "solid color,striped,plaid", "scarf": "solid color,striped,plaid", "socks": "solid color,striped",
	} {
		add(g+" pattern", strings.Split(patterns, ",")...)
	}
	for g, types := range map[string]string{
		"tops": "t-shirt,shirt,blouse,polo shirt,sweater,hoodie,sweatshirt,tank top", "one-piece outfits": "dress,jumpsuit",
		"coats": "jacket,overcoat,blazer,cardigan", "bottoms": "pants,jeans,shorts,sweatpants,leggings,skirt",
		"shoes": "sneakers,boots,loafers,oxford shoes,sandals,high heels", "bags": "backpack,handbag,shoulder bag,tote bag",
		"hats": "hat,baseball cap,beanie,beret", "ties": "tie,bow tie", "socks": "socks,knee socks", "headband": "headband", "headscarf": "headscarf", "belts": "belt", "scarf": "scarf",
	} {
		add(g+" type", strings.Split(types, ",")...)
	}
	add("one-piece outfits length", "short", "midi", "maxi")
	add("bottoms length", "short", "midi", "maxi")
	add("bottoms bottom shape", "straight", "tapered", "wide-leg", "close-fitting", "pleated")
	add("tops sleeve length", "sleeveless", "short sleeve", "long sleeve")
	add("tops collar shape", "round neck", "v neckline", "scoop neckline", "high neck", "collared")
	add("shoes boots length", "ankle boots", "knee-high boots")
	for _, w := range want {
		if !seen[w] {
			t.Errorf("of 6000 people none has %s", w)
		}
	}
	for l := range LabelCount {
		if !labels[uint8(l)] {
			t.Errorf("of 400 people none shows label %d", l)
		}
	}
}

// FuzzRender draws anybody at any size.
func FuzzRender(f *testing.F) {
	f.Add(uint64(0), uint64(0), 64, 64)
	f.Add(uint64(7), uint64(1<<60), 16, 333)
	f.Fuzz(func(t *testing.T, seed, index uint64, width, height int) {
		width, height = 16+int(uint(width)%300), 16+int(uint(height)%300)
		p := Draw(seed, index)
		if p.Caption() == "" {
			t.Error("no caption")
		}
		for _, style := range styles {
			if d := render(t, p, style, width, height); !d.Image.Opaque() {
				t.Error("not opaque")
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	for _, style := range styles {
		b.Run(string(style), func(b *testing.B) {
			for i := range b.N {
				render(b, Draw(1, uint64(i)), style, 128, 128)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// TestSidesAreThePersonsOwn holds that left limbs and shoes are at the right of the image.
func TestSidesAreThePersonsOwn(t *testing.T) {
	checked := 0
	for i := range uint64(100) {
		p := Draw(47, i)
		for _, style := range styles {
			d := render(t, p, style, 128, 128)
			var sum, count [LabelCount]int
			for k, l := range d.Map.Pix {
				sum[l] += k % 128
				count[l]++
			}
			for _, pair := range [][2]Label{{LeftShoe, RightShoe}, {LeftLeg, RightLeg}, {LeftArm, RightArm}} {
				l, r := pair[0], pair[1]
				if count[l] == 0 || count[r] == 0 {
					continue
				}
				checked++
				if sum[l]*count[r] <= sum[r]*count[l] {
					t.Errorf("%s person %d: label %d lies left of label %d: %s", style, i, l, r, p.Caption())
				}
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d pairs were seen", checked)
	}
}

// TestSkinsDiffer holds that no country has another's tone, and that faces have their country's.
func TestSkinsDiffer(t *testing.T) {
	for _, a := range countries {
		for _, b := range countries {
			for _, x := range skins[a] {
				for _, y := range skins[b] {
					if a != b && distance(x, y) < 3*8*8 {
						t.Errorf("%v of %s and %v of %s are hardly told apart", x, a, y, b)
					}
				}
			}
		}
	}
	for i := range uint64(100) {
		p := Draw(53, i)
		var pixels []rgb
		d := render(t, p, Pixel, 64, 64)
		for k, l := range d.Map.Pix {
			if l == uint8(Face) {
				pixels = append(pixels, rgb(d.Image.Pix[4*k:4*k+3]))
			}
		}
		if got := commonest(pixels); got != p.skin() {
			t.Errorf("person %d: most of the face is %v, want %v: %s", i, got, p.skin(), p.Caption())
		}
	}
}
