package pack

import "cosmicman/job"

// mostGroups bounds what is remembered; the group that was used least recently goes.
const mostGroups = 512

// Params of the policy. Zero values mean the defaults.
type Params struct {
	MaxRows     int     // 64: in one UNet call
	FirstRows   int     // 4: while nothing is known of a model
	Efficiency  float64 // 0.98: of the best known throughput that a limit must reach
	StepSeconds float64 // 2: of the longest call with more than one sequence, thus of a cancellation
	Share       float64 // 0.5: of device time that begins, and decodes, may take from steps
	Previews    float64 // 0.25: of device time that previews may take from steps
	Floor       float64 // 0.25: the least weight of a group
	Credit      float64 // 0.5: seconds that a newcomer may be ahead of its share
}

func (p Params) withDefaults() Params {
	if p.MaxRows <= 0 {
		p.MaxRows = 64
	}
	if p.FirstRows <= 0 {
		p.FirstRows = 4
	}
	p.FirstRows = min(p.FirstRows, p.MaxRows)
	set := func(f *float64, v float64) {
		if *f == 0 {
			*f = v
		}
	}
	set(&p.Efficiency, 0.98)
	set(&p.StepSeconds, 2)
	set(&p.Share, 0.5)
	set(&p.Previews, 0.25)
	set(&p.Floor, 0.25)
	set(&p.Credit, 0.5)
	return p
}

// Group is what the book knows of a group.
type Group struct {
	job.Group
	account  float64 // weighted device seconds received
	curve    curve
	decode   samples
	cap      int // rows after running out of memory; 0: never did
	tried    int // most rows that went well
	limit    int // rows; 0: not worked out
	lastUsed uint64
}

func (g *Group) pixels() float64 { return float64(g.Height) * float64(g.Width) }

// Book keeps what was learned of costs by group and model, and the groups' accounts.
type Book struct {
	params Params
	groups map[job.Group]*Group
	load   map[string]*samples // seconds by model
	uses   uint64
	recent *Group  // the group stepped last
	clock  float64 // the account of the group served last, before it was served

	owedBegin, owedDecode, owedPreview float64 // seconds of steps
}

// NewBook returns an empty book.
func NewBook(p Params) *Book {
	return &Book{params: p.withDefaults(), groups: map[job.Group]*Group{}, load: map[string]*samples{}}
}

// Params returns the parameters with their defaults.
func (b *Book) Params() Params { return b.params }

// Group returns the book's page of a group, the same as long as the group is in use.
func (b *Book) Group(g job.Group) *Group {
	b.uses++
	page := b.groups[g]
	if page == nil {
		if len(b.groups) >= mostGroups {
			b.forget()
		}
		page = &Group{Group: g}
		b.groups[g] = page
	}
	page.lastUsed = b.uses
	return page
}

func (b *Book) forget() {
	var oldest *Group
	for _, g := range b.groups {
		if oldest == nil || g.lastUsed < oldest.lastUsed {
			oldest = g
		}
	}
	delete(b.groups, oldest.Group)
}

// Stepped records a UNet call: padded rows that the device was given, seconds it
// took, and the weight that the choice came with.
func (b *Book) Stepped(g *Group, padded int, seconds, weight float64) {
	b.uses++
	g.lastUsed = b.uses
	b.recent = g
	if padded < 1 || !measurable(seconds) {
		return
	}
	account := b.account(g)
	b.clock = max(b.clock, account)
	g.account = account + seconds/min(1, max(b.params.Floor, weight))
	b.owedBegin = max(0, b.owedBegin-seconds)
	b.owedDecode = max(0, b.owedDecode-seconds)
	b.owedPreview = max(0, b.owedPreview-seconds)
	g.tried = max(g.tried, padded)
	g.curve.add(padded, seconds)
	g.limit = 0
}

// Began records a call of the text encoders.
func (b *Book) Began(seconds float64) {
	if measurable(seconds) {
		b.owedBegin += seconds * (1 - b.params.Share) / b.params.Share
	}
}

// Decoded records a VAE decode, which its group pays for.
func (b *Book) Decoded(g *Group, seconds float64) {
	if measurable(seconds) {
		b.owedDecode += seconds * (1 - b.params.Share) / b.params.Share
		g.account = b.account(g) + seconds
		g.decode.add(seconds)
	}
}

// Previewed records the decode of a preview, which its group pays for.
func (b *Book) Previewed(g *Group, seconds float64) {
	if measurable(seconds) {
		b.owedPreview = seconds * (1 - b.params.Previews) / b.params.Previews
		g.account = b.account(g) + seconds
		g.decode.add(seconds)
	}
}

// Loaded records how long loading a model took.
func (b *Book) Loaded(model string, seconds float64) {
	if measurable(seconds) {
		if b.load[model] == nil {
			b.load[model] = &samples{}
		}
		b.load[model].add(seconds)
	}
}

// LoadSeconds returns what loading a model usually takes, 0 if it is not known.
func (b *Book) LoadSeconds(model string) float64 {
	if s := b.load[model]; s != nil {
		return s.median()
	}
	return 0
}

// OutOfMemory records that so many rows (padded) did not fit, and returns the limit
// from now on: half of them, at least 1.
func (b *Book) OutOfMemory(g *Group, padded int) int {
	g.cap = max(1, padded/2)
	g.tried = min(g.tried, g.cap)
	for _, other := range b.groups {
		other.limit = 0
	}
	return g.cap
}

// account is what a group has received, but no less than a newcomer's.
func (b *Book) account(g *Group) float64 { return max(g.account, b.clock-b.params.Credit) }

// Fit returns the cost of a group's UNet calls, and whether anything is known of
// it, be it from another size of the model.
func (b *Book) Fit(g job.Group) (Fit, bool) {
	if page := b.groups[g]; page != nil && len(page.curve.cells) > 0 {
		return page.curve.fit, true
	}
	near := b.nearest(g)
	if near == nil {
		return Fit{}, false
	}
	fit := near.curve.fit
	fit.PerRow *= scale(g, near)
	return fit, true
}

// Seconds returns what a UNet call with so many rows costs, 0 if nothing is known.
func (b *Book) Seconds(g job.Group, rows int) float64 {
	if page := b.groups[g]; page != nil && len(page.curve.cells) > 0 {
		return page.curve.at(rows)
	}
	fit, _ := b.Fit(g)
	return fit.Seconds(rows)
}

// DecodeSeconds returns what a VAE decode of the group's size takes, 0 if it is not known.
func (b *Book) DecodeSeconds(g job.Group) float64 {
	if page := b.groups[g]; page != nil {
		return page.decode.median()
	}
	return 0
}

// PerPixel returns, by model, the device seconds of one row, one step and one
// latent pixel in a call at the limit, of the size that was measured most.
func (b *Book) PerPixel() map[string]float64 {
	costs, counts := map[string]float64{}, map[string]int{}
	most := map[string]*Group{}
	for _, g := range b.groups {
		count := 0
		for _, cell := range g.curve.cells {
			count += cell.samples.count
		}
		last := most[g.Model]
		if count == 0 || g.pixels() <= 0 || last != nil && (count < counts[g.Model] || count == counts[g.Model] && before(last.Group, g.Group)) {
			continue
		}
		counts[g.Model], most[g.Model] = count, g
		rows := b.limit(g)
		costs[g.Model] = g.curve.at(rows) / float64(rows) / g.pixels()
	}
	return costs
}
