package recipe

import (
	"errors"
	"math"

	"cosmicman/prompt"
	"cosmicman/tokenizer"
	"cosmicman/train/dataset"
)

// dataOptions are what the data is opened with. width and height are the size that
// images have where the settings say none; factor is how many pixels one latent is
// wide, counter what captions are measured with.
func (c *Config) dataOptions(width, height, factor int, counter *tokenizer.Tokenizer) (dataset.Options, error) {
	labels, err := dataset.ParseLabels(c.Maps.Labels)
	if err != nil {
		return dataset.Options{}, faultf("maps.labels: %v", err)
	}
	o := dataset.Options{
		Seed: c.Seed, Batch: c.Batch, Flip: c.Images.Flip, Crop: dataset.Crop(c.Images.Crop),
		Unreadable: dataset.Unreadable(c.Unreadable),
		Captions: dataset.CaptionOptions{
			First:         []prompt.Group{prompt.Face, prompt.BodyShape, prompt.Background},
			ShuffleGroups: c.Captions.Shuffle, ShuffleWords: c.Captions.Shuffle,
			GroupDropout: c.Captions.GroupDropout, LateDropout: c.Captions.OutfitDropout, LateFrom: prompt.Style,
			Article:     dataset.GrammarsA, // as captions for drawing have it
			ShuffleTags: c.Captions.ShufflePhrases, KeepTags: c.Captions.Keep,
		},
	}
	if counter != nil {
		o.Captions.MaxTokens = counter.MaxLength() - 2
		o.Captions.Tokens = func(text string) int {
			tokens, err := counter.Tokenize(text)
			if err != nil {
				return math.MaxInt // what cannot be a prompt does not fit
			}
			return len(tokens)
		}
	}
	if c.HeldOut < 1 {
		o.Held.Share = c.HeldOut
	} else {
		o.Held.Count = int(c.HeldOut)
	}
	if !c.Images.Upscale {
		o.Upscale = dataset.RefuseUpscale
	}
	if c.Images.TrueSizes {
		o.Sizes = dataset.SizeOfImage
	}
	for _, s := range c.Data {
		o.Sources = append(o.Sources, dataset.Source{
			Path: s.Path, Repeats: s.Repeats, Weight: s.Weight, Prior: s.Prior, Trigger: s.Trigger, Caption: s.Caption,
			MapSuffix: c.Maps.Suffix, MapFolder: c.Maps.Folder, Labels: labels,
		})
	}
	if c.Images.Width != 0 {
		width, height = c.Images.Width, c.Images.Height
	}
	if width == 0 {
		return o, faultf("images.size is missing: the model's config has no sample_size to take it from")
	}
	if width%factor != 0 || height%factor != 0 {
		return o, faultf("images.size is %dx%d, expected multiples of %d, since the autoencoder makes one latent of so many pixels", width, height, factor)
	}
	if c.Images.Buckets {
		o.Buckets = c.buckets(width, height)
	} else {
		o.Buckets = dataset.Buckets{Width: width, Height: height}
	}
	// What the settings have been checked for already is not said again.
	if err := errors.Join(o.Buckets.Check(), o.Captions.Check()); err != nil {
		return o, asFaults(err)
	}
	return o, nil
}

// buckets are sizes of about an area.
func (c *Config) buckets(width, height int) dataset.Buckets {
	b := dataset.BucketsAround(int(math.Sqrt(float64(width * height))))
	b.Area, b.MaxRatio = width*height, c.Images.MaxRatio
	if c.Images.Step != 0 {
		b.Step = c.Images.Step
	}
	if c.Images.MinSide != 0 {
		b.MinSide = c.Images.MinSide
	}
	if c.Images.MaxSide != 0 {
		b.MaxSide = c.Images.MaxSide
	}
	return b
}

// asFaults makes faults of joined errors.
func asFaults(err error) error {
	var errs []error
	for _, e := range flatten(err) {
		errs = append(errs, faultf("%v", e))
	}
	return errors.Join(errs...)
}
