package dataset

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Options say what a run learns from.
type Options struct {
	Sources []Source
	Seed    uint64 // of all choices
	Batch   int    // images of one size that are learned from together

	Buckets  Buckets
	Crop     Crop    // "" is Center
	Flip     float64 // how likely an image is mirrored, 0 to 1
	Upscale  Upscale // "" is AllowUpscale
	Sizes    Sizing  // "" is SizeOfBucket
	Captions CaptionOptions

	Held     Held
	DropLast bool // leave out a bucket's incomplete batch; else it is filled with the bucket's own

	Unreadable Unreadable // "" is Refuse
	// CheckFiles reads every image and every parsing map at Open, for what their headers
	// do not show: damaged pixels, and labels that the table does not have. Otherwise
	// such a file is found when it is visited.
	CheckFiles bool
	// Progress is called now and then while files are checked, from one goroutine at a
	// time; may be nil.
	Progress func(done, all int)
}

// Source is a folder that is learned from.
type Source struct {
	Path    string
	Format  Format // "" is by what is in it: CosmicManHQ if it has label/*.parquet
	Repeats int    // how often an epoch has each of its images; 0 is once

	// Prior images show what a model knows already and is to keep. They are never held
	// out. Weight multiplies the loss of a source's images; 0 is 1.
	Prior  bool
	Weight float64

	Trigger string // stands in front of all captions
	Caption string // of images without one; "" makes a missing caption a fault

	// Where a folder's parsing maps are, if its metadata do not say: NAME.jpg has
	// NAME + MapSuffix beside it, or in MapFolder, which is laid out as Path is and
	// named from there on; there MapSuffix is ".png" if it is "". An image without one
	// has no map.
	MapSuffix string
	MapFolder string
	Labels    *LabelTable // of the maps; nil is ATR's
}

// Format is how a source is laid out.
type Format string

// The formats.
const (
	// CosmicManHQ has label/*.parquet, and in them paths from the source's folder on.
	CosmicManHQ Format = "cosmicman-hq"
	// ImageFolder has images, in folders below it too, and metadata.jsonl or a .txt
	// beside each.
	ImageFolder Format = "folder"
)

// Crop says which part of an image is seen, once it covers its bucket.
type Crop string

// The ways of Crop.
const (
	Center Crop = "center"
	Random Crop = "random"
)

// Upscale says what becomes of images that are smaller than their bucket.
type Upscale string

// The ways of Upscale.
const (
	AllowUpscale  Upscale = "allow"
	RefuseUpscale Upscale = "refuse" // they are left out, counted and named
)

// Sizing says which sizes SDXL's UNet is told.
type Sizing string

// The ways of Sizing.
const (
	SizeOfBucket Sizing = "bucket" // the published code: the bucket's, and no crop
	SizeOfImage  Sizing = "image"  // the file's, and the crop as it was made
)

// Held says which images are kept for judging: by a hash of their names, so that
// those that were held stay so when others are added.
type Held struct {
	Share float64 // of the images, 0 to below 1
	Count int     // or their number
}

// Unreadable says what becomes of images with a fault.
type Unreadable string

// The ways of Unreadable.
const (
	Refuse Unreadable = "refuse" // Open returns an error that lists all
	Count  Unreadable = "count"  // they are left out; [Set.LeftOut] has them
)

// Check returns every fault of the options, joined.
func (o Options) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("dataset: "+format, args...)) }
	if len(o.Sources) == 0 {
		fault("no source is given, expected at least one folder")
	}
	real := false
	for i, s := range o.Sources {
		name := fmt.Sprintf("source %d (%s)", i+1, s.Path)
		if s.Path == "" {
			fault("source %d: no path is given", i+1)
		}
		if s.Format != "" && s.Format != CosmicManHQ && s.Format != ImageFolder {
			fault("%s: format is %q, expected %s or %s", name, s.Format, CosmicManHQ, ImageFolder)
		}
		if s.Repeats < 0 || s.Repeats > maxRepeats {
			fault("%s: repeats is %d, expected 1 to %d", name, s.Repeats, maxRepeats)
		}
		if !(s.Weight >= 0) || math.IsInf(s.Weight, 0) {
			fault("%s: weight is %v, expected a number above 0", name, s.Weight)
		}
		if s.Format == CosmicManHQ && (s.MapSuffix != "" || s.MapFolder != "") {
			fault("%s: a map suffix or folder is for image folders; label files name their maps", name)
		}
		if s.Labels != nil {
			if err := s.Labels.Check(); err != nil {
				fault("%s: %w", name, err)
			}
		}
		real = real || !s.Prior
	}
	if len(o.Sources) > 0 && !real {
		fault("all sources are prior, expected one to learn from")
	}
	if o.Batch < 1 || o.Batch > maxBatch {
		fault("batch is %d, expected 1 to %d", o.Batch, maxBatch)
	}
	if !(o.Flip >= 0 && o.Flip <= 1) {
		fault("flip is %v, expected a chance from 0 to 1", o.Flip)
	}
	if !(o.Held.Share >= 0 && o.Held.Share < 1) {
		fault("the held-out share is %v, expected 0 to below 1", o.Held.Share)
	}
	if o.Held.Count < 0 {
		fault("the number of held-out images is %d, expected 0 or more", o.Held.Count)
	}
	if o.Held.Share > 0 && o.Held.Count > 0 {
		fault("both a share and a number of held-out images are given, expected one of them")
	}
	choice := func(name, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			fault("%s is %q, expected %s or %s", name, value, allowed[0], allowed[1])
		}
	}
	choice("crop", string(o.Crop), string(Center), string(Random))
	choice("upscale", string(o.Upscale), string(AllowUpscale), string(RefuseUpscale))
	choice("sizes", string(o.Sizes), string(SizeOfBucket), string(SizeOfImage))
	choice("unreadable", string(o.Unreadable), string(Refuse), string(Count))
	if err := o.Buckets.Check(); err != nil {
		faults = append(faults, err)
	}
	if err := o.Captions.Check(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

const (
	maxRepeats = 10_000
	maxBatch   = 4096
)
