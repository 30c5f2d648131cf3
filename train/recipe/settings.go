package recipe

import (
	"slices"
	"strings"

	"cosmicman/diffusion"
	"cosmicman/train"
)

// Setting is one of a run's: a field of a Config with its name and what it takes.
type Setting struct {
	Key   string // such as lora.rank; the part before the dot is a section of the file
	Doc   string
	Takes string  // what a value is, such as "a whole number"
	Type  Type    // how it stands in the file
	Many  bool    // it takes a list
	For   []Teach // what it is for; none: for all
	// Free says that a run may go on with another value. What the others say of a run
	// that is resumed must be what they said when it began.
	Free bool

	get func() []string
	set func(values []string) string // what is wrong, "" for nothing
}

// Type is how a value stands in a file.
type Type int

// The types of values.
const (
	AsText Type = iota
	AsWhole
	AsNumber
	AsTruth
	AsObject // text, or a mapping, which becomes JSON
)

// Values are what it is set to, one unless Many.
func (s *Setting) Values() []string { return s.get() }

// Set gives it values: one, or any number of them where Many. The error names the
// setting, what was given and what was expected.
func (s *Setting) Set(values ...string) error {
	if !s.Many && len(values) != 1 {
		return faultf("%s is given %d times, expected once", s.Key, len(values))
	}
	if wrong := s.set(values); wrong != "" {
		return faultf("%s %s", s.Key, wrong)
	}
	return nil
}

// Applies reports whether it means something where t is taught.
func (s *Setting) Applies(t Teach) bool { return len(s.For) == 0 || slices.Contains(s.For, t) }

// Section is the part of the key before the dot, "" for settings at the top.
func (s *Setting) Section() string {
	section, _, below := strings.Cut(s.Key, ".")
	if !below {
		return ""
	}
	return section
}

// Settings is the table of c's fields, in the order of the file.
func (c *Config) Settings() []*Setting {
	unet := []Teach{TeachLoRA, TeachUNet}
	withPictures := []Teach{TeachLoRA, TeachUNet, TeachVAE}
	withWords := []Teach{TeachLoRA, TeachUNet, TeachText}
	lora, vae, text := []Teach{TeachLoRA}, []Teach{TeachVAE}, []Teach{TeachText}
	return []*Setting{
		plain("model", &c.Model, "the model that is taught: a diffusers folder, org/name in the Hugging Face cache, cosmicman-sd or cosmicman-sdxl", nil),
		plain("unet", &c.UNet, "folder or org/name whose UNet takes the place of the model's", nil),
		plain("variant", &c.Variant, "weight files to prefer, such as fp16", nil),
		choice("teach", &c.Teach, "what is taught: lora, low-rank changes of the UNet; unet, all of it; vae or text, the autoencoder or the text encoders of a model from nothing", nil, TeachLoRA, TeachUNet, TeachVAE, TeachText),
		truth("text-encoders", &c.TextEncoders, "teach the text encoders beside the UNet, in the same way", unet),
		free(plain("output", &c.Output, "folder of all that the run writes", nil)),
		sources("data", &c.Data),
		choice("unreadable", &c.Unreadable, "what becomes of images with a fault: refuse lists them and ends; count leaves them out, counted and named", nil, "refuse", "count"),
		number("held-out", &c.HeldOut, "images that are not learned from, for the validation loss: a share below 1, or how many", nil),

		pixels("images.size", &c.Images.Width, &c.Images.Height, "pixels a side, or WIDTHxHEIGHT; 0: the model's own", withPictures),
		truth("images.buckets", &c.Images.Buckets, "sizes of about that area in several aspects, each image in the nearest; otherwise one size", withPictures),
		whole("images.step", &c.Images.Step, "pixels that the sides of buckets are multiples of; 0: 64, less for small sizes", withPictures),
		whole("images.min-side", &c.Images.MinSide, "pixels of a bucket's shorter side at least; 0: half of the size", withPictures),
		whole("images.max-side", &c.Images.MaxSide, "pixels of a bucket's longer side at most; 0: twice the size", withPictures),
		number("images.max-ratio", &c.Images.MaxRatio, "of a bucket's longer side to its shorter one at most", withPictures),
		number("images.flip", &c.Images.Flip, "share of the visits that see the mirror image, left and right parts and words exchanged", withPictures),
		choice("images.crop", &c.Images.Crop, "what of an image that does not fit is seen: its center, or a random part a visit", withPictures, "center", "random"),
		truth("images.upscale", &c.Images.Upscale, "take images that are smaller than their bucket; otherwise they are left out, counted and named", withPictures),
		truth("images.true-sizes", &c.Images.TrueSizes, "tell SDXL the images' own sizes and crops; otherwise the bucket's, uncropped, as the published code", unet),

		truth("captions.shuffle", &c.Captions.Shuffle, "change the order of groups and adjectives from visit to visit, where captions are made of attributes", withWords),
		truth("captions.shuffle-phrases", &c.Captions.ShufflePhrases, "change the order of the phrases between commas, where captions are texts", withWords),
		whole("captions.keep", &c.Captions.Keep, "phrases of a text that stay at its beginning", withWords),
		number("captions.group-dropout", &c.Captions.GroupDropout, "share of the groups that a visit leaves out", withWords),
		number("captions.outfit-dropout", &c.Captions.OutfitDropout, "as much more of the groups from the overall style on", withWords),
		plain("maps.labels", &c.Maps.Labels, "what the numbers in parsing maps of image folders mean: atr, lip, or a list such as 1 hats; 2 hair; 4 tops, coats; 9<>10 shoes, where <> is between sides", unet),
		plain("maps.suffix", &c.Maps.Suffix, "a map beside its image is named so, in the place of .png and so on, such as .seg.png", unet),
		plain("maps.folder", &c.Maps.Folder, "folder of maps with the names of the images", unet),

		number("dropout.share", &c.Dropout.Share, "share of the batches or samples that see no text, so that guidance works", unet),
		choice("dropout.per", &c.Dropout.Per, "whether a whole batch sees no text, as in the published code, or each sample by itself", unet, "batch", "sample"),
		number("loss.noise-offset", &c.Loss.NoiseOffset, "deviation of noise that a whole channel has in common", unet),
		number("loss.min-snr-gamma", &c.Loss.MinSNRGamma, "bound of the signal-to-noise ratio in the loss's weight, 5 where it is used; 0: all timesteps count as much", unet),
		number("loss.part-weight", &c.Loss.PartWeight, "how much small parts count, where there are parsing maps: a pixel as the area of its part to the power of minus this; 0: all as much, 1: each part as much as another", withPictures),
		number("loss.noisy-share", &c.Loss.NoisyShare, "share of the images that are drawn from the noisiest timesteps, beside those that fall there", unet),
		number("loss.noisiest", &c.Loss.Noisiest, "how many of the timesteps these are, as a share", unet),
		choice("loss.prediction", &c.Loss.Prediction, "what the UNet predicts; auto: what the model's scheduler says", unet, "auto", "epsilon", "v_prediction", "sample"),

		choice("hola.use", &c.HOLA.Use, "the loss that draws attention to parts: auto, where there are parsing maps; on, which refuses data without; off", unet, "auto", "on", "off"),
		number("hola.alpha", &c.HOLA.Alpha, "weight of the noise loss", unet),
		number("hola.beta", &c.HOLA.Beta, "weight of HOLA", unet),
		choice("hola.reduction", &c.HOLA.Reduction, "how errors are summed: authors, the published code's means; paper, Eq. 3's sums; per_group_mean", unet, train.ByAuthors, train.ByPaper, train.PerGroupMean),
		wholes("hola.strides", &c.HOLA.Strides, "pixels that a position of a supervised attention stands for along a side; none: 16, as in the published code, or the least that the model has", unet),
		plains("hola.layers", &c.HOLA.Layers, "patterns of the supervised attentions' names, in the place of strides, such as up_blocks.1.*", unet),
		choice("hola.heads", &c.HOLA.Heads, "whether each head is compared with a mask, or their mean", unet, train.PerHead, train.AverageHeads),
		choice("hola.resize", &c.HOLA.Resize, "how masks become small", unet, train.Bilinear, train.Area, train.Nearest),
		choice("hola.maskless", &c.HOLA.Maskless, "groups without a part: zero masks, as in the published code, or ignored, as in the paper", unet, train.ZeroMask, train.IgnoreGroup),

		choice("vae.loss", &c.VAE.Loss, "how pixels are compared: l1 or mse", vae, "l1", "mse"),
		number("vae.kl-weight", &c.VAE.KLWeight, "weight of the divergence from the normal distribution", vae),
		free(choice("vae.latents", &c.VAE.Latents, "how latents get deviation 1 at the end: channels, folded into the convolutions beside them; scale, one number in the config; none", vae, "channels", "scale", "none")),
		number("text.end-weight", &c.Text.EndWeight, "how much the end mark counts, which is asked for all words of a caption, where a token counts 1", text),

		whole("lora.rank", &c.LoRA.Rank, "rank of the changes", lora),
		number("lora.alpha", &c.LoRA.Alpha, "the changes are scaled by alpha / rank; 0: by 1", lora),
		plains("lora.targets", &c.LoRA.Targets, "attention, transformer, all, or patterns of modules' names such as up_blocks.*.attn2.*", lora),
		free(choice("lora.format", &c.LoRA.Format, "names in the file that is written", lora, "kohya", "diffusers")),

		free(whole("steps", &c.Steps, "steps of the optimizer", nil)),
		free(whole("epochs", &c.Epochs, "times that the data is gone through, in the place of steps", nil)),
		whole("batch", &c.Batch, "images that the networks see at once", nil),
		whole("accumulate", &c.Accumulate, "batches a step", nil),
		number("learning-rate", &c.LearningRate, "how far a step goes", nil),
		number("optimizer.beta1", &c.Optimizer.Beta1, "how much of AdamW's mean of the gradients stays at a step", nil),
		number("optimizer.beta2", &c.Optimizer.Beta2, "the same of their squares", nil),
		number("optimizer.epsilon", &c.Optimizer.Epsilon, "keeps small gradients from large steps", nil),
		number("optimizer.weight-decay", &c.Optimizer.WeightDecay, "how much weights shrink, times the learning rate", nil),
		number("optimizer.max-norm", &c.Optimizer.MaxNorm, "longer gradients are shortened to it; 0: they are not", nil),
		choice("schedule.name", &c.Schedule.Name, "how the learning rate changes over the steps", nil, "constant", "linear", "cosine", "cosine_with_restarts", "polynomial"),
		whole("schedule.warmup", &c.Schedule.Warmup, "steps over which the learning rate rises from 0", nil),
		whole("schedule.cycles", &c.Schedule.Cycles, "of cosine_with_restarts", nil),
		number("schedule.power", &c.Schedule.Power, "of polynomial", nil),
		number("ema", &c.EMA, "share of the weights' average that stays at a step, such as 0.9999; 0: no average is kept", nil),
		seed("seed", &c.Seed, "everything that is left to chance follows from it"),

		free(whole("checkpoint.every", &c.Checkpoint.Every, "steps between savings of the run; 0: at the end alone", nil)),
		free(whole("checkpoint.minutes", &c.Checkpoint.Minutes, "save after so many minutes, too; 0: no", nil)),
		free(whole("checkpoint.keep", &c.Checkpoint.Keep, "checkpoints that stay", nil)),
		free(whole("validate", &c.Validate, "steps between looks at the held-out images", nil)),
		free(plains("samples.prompts", &c.Samples.Prompts, "what is drawn on the way; none: captions of the data", unet)),
		free(plain("samples.negative", &c.Samples.Negative, "what is not to be drawn", unet)),
		free(whole("samples.every", &c.Samples.Every, "steps between sheets of samples; 0: at the end alone", withPictures)),
		free(whole("samples.count", &c.Samples.Count, "captions of the data that are drawn where there are no prompts; 0: none", withPictures)),
		free(whole("samples.steps", &c.Samples.Steps, "denoising steps", unet)),
		free(number("samples.guidance", &c.Samples.Guidance, "how closely to follow the prompt", unet)),
		free(choice("samples.sampler", &c.Samples.Sampler, "how samples are drawn", unet, diffusion.Names()...)),
		free(seed("samples.seed", &c.Samples.Seed, "of the first sample; the next ones have the next", unet...)),
		free(pixels("samples.size", &c.Samples.Width, &c.Samples.Height, "pixels a side, or WIDTHxHEIGHT; 0: the size of the images", unet)),
		free(choice("write.precision", &c.Write.Precision, "of the weights that are written", nil, "fp32", "fp16", "bf16")),
		free(choice("write.weights", &c.Write.Weights, "the average, where there is one, the live weights, or both", nil, "average", "live", "both")),
		free(truth("write.pipeline", &c.Write.Pipeline, "write the whole model, not the changed parts alone", []Teach{TeachUNet, TeachVAE, TeachText})),

		free(plain("cache.dir", &c.Cache.Dir, "folder of what the frozen networks say of the data, which runs may share; empty: in the output; off: none", withPictures)),
		free(size("cache.bytes", &c.Cache.Bytes, "bytes that the cache may take, such as 20G; 0: as many as it needs", withPictures)),
		truth("cache.half", &c.Cache.Half, "keep it in float16, which takes half of the space", withPictures),
		whole("threads", &c.Threads, "threads that a network runs on; 0: one a core", nil),
		truth("recompute", &c.Recompute, "compute blocks a second time going back, which takes a third longer and much less memory", withPictures),
		free(whole("ahead", &c.Ahead, "batches that are made ready before they are needed", nil)),
		free(size("memory", &c.Memory, "bytes that the run may take, such as 12G; 0: what is free", nil)),
	}
}
