package recipe

import (
	"context"
	"errors"
	"slices"

	"cosmicman/train"
	"cosmicman/train/dataset"
	"cosmicman/train/journal"
	"cosmicman/weights"
)

// textTask teaches the text encoders of a pipeline on captions alone.
type textTask struct {
	run      *Run
	words    []*train.Words
	learners []*train.WordsLearner
	parts    []part
}

type textBatch struct {
	of     []*train.WordsBatch // a text encoder's each
	images int
}

func (b *textBatch) Images() int { return b.images }

func (b *textBatch) Missing() []string { return nil }

func (r *Run) textTask() (task, error) {
	t := &textTask{run: r}
	captions, err := r.allWords()
	if err != nil {
		return nil, err
	}
	for i, e := range r.base.Texts {
		words, err := train.NewWords(captions[i])
		if err != nil {
			return nil, asFaults(err)
		}
		l, err := train.NewWordsLearner(r.env.Runtime, train.WordsOptions{
			Component: e.Component.Name, Config: e.Config, Weights: e.Component.Index, Words: words,
			Seed: train.SeedOf(r.config.Seed, "initial weights", int64(i)), Threads: r.config.Threads,
		})
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.words, t.learners = append(t.words, words), append(t.learners, l)
		t.parts = append(t.parts, part{component: e.Component.Name, tensors: l.Tensors(), whole: l.Whole})
	}
	return t, nil
}

// tokenized is a caption as each text encoder takes it.
func (r *Run) tokenized(c dataset.Caption) ([]train.Tokenized, error) {
	windows, _, err := r.texts.Windows(c.Text)
	if err != nil {
		return nil, err
	}
	var all []train.Tokenized
	for _, w := range windows {
		t := train.Tokenized{IDs: w.IDs, End: len(w.Spans) + 1}
		for _, p := range c.Phrases {
			if span := train.TokenSpan(w, c.Text, p.Span); span[0] < span[1] {
				t.Phrases = append(t.Phrases, span)
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// allWords are captions with every word that a caption of the run can have, by text
// encoder: whole ones, and each phrase by itself, since a long caption is cut.
func (r *Run) allWords() ([][]train.Tokenized, error) {
	all := make([][]train.Tokenized, len(r.base.Texts))
	add := func(c dataset.Caption) error {
		of, err := r.tokenized(c)
		for i, t := range of {
			all[i] = append(all[i], t)
		}
		return err
	}
	phrase := func(text string) error {
		return add(dataset.Caption{Text: text, Phrases: []dataset.Phrase{{Span: [2]int{0, len(text)}}}})
	}
	seen := map[string]bool{}
	for _, i := range slices.Concat(r.set.Items(), r.set.Held) {
		for _, mirrored := range []bool{false, true} {
			c := i.Caption(nil, r.whole, mirrored)
			if seen[c.Text] {
				continue
			}
			seen[c.Text] = true
			if err := add(c); err != nil {
				return nil, err
			}
			for _, p := range c.Phrases {
				if text := c.Text[p.Span[0]:p.Span[1]]; !seen[text] {
					seen[text] = true
					if err := phrase(text); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	// Shuffled adjectives may change the article.
	for _, article := range []string{"a", "an"} {
		if err := phrase(article); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// occurring are the ids of all tokens that the run will see, by text encoder.
func (r *Run) occurring() ([][]int64, error) {
	captions, err := r.allWords()
	if err != nil {
		return nil, err
	}
	empty, err := r.tokenized(dataset.Caption{})
	if err != nil {
		return nil, err
	}
	all := make([][]int64, len(captions))
	for i := range captions {
		for _, t := range append(captions[i], empty[i]) {
			all[i] = append(all[i], t.IDs...)
			all[i] = slices.Compact(slices.Sorted(slices.Values(all[i])))
		}
	}
	return all, nil
}

func (t *textTask) Tensors() []train.Tensor { return tensorsOf(t.parts) }

func (t *textTask) Prepare(_ context.Context, number int64) (train.Batch, error) {
	return t.batch(t.run.set.Batch(number))
}

func (t *textTask) Held() int { return t.run.set.HeldBatches() }

func (t *textTask) PrepareHeld(_ context.Context, number int) (train.Batch, error) {
	return t.batch(t.run.set.HeldBatch(number))
}

func (t *textTask) batch(visits []dataset.Visit) (*textBatch, error) {
	captions := make([][]train.Tokenized, len(t.learners))
	for _, v := range visits {
		of, err := t.run.tokenized(t.run.set.Caption(v))
		if err != nil {
			return nil, err
		}
		for i := range captions {
			captions[i] = append(captions[i], of[i])
		}
	}
	b := &textBatch{images: len(visits)}
	for i, w := range t.words {
		batch, err := w.Batch(captions[i], t.run.config.Text.EndWeight)
		if err != nil {
			return nil, err
		}
		b.of = append(b.of, batch)
	}
	return b, nil
}

func (t *textTask) Learn(ctx context.Context, b train.Batch) (train.Losses, error) {
	return t.each(b, func(i int, w *train.WordsBatch) (train.Losses, error) { return t.learners[i].Gradients(ctx, w) })
}

func (t *textTask) Judge(ctx context.Context, b train.Batch) (train.Losses, error) {
	return t.each(b, func(i int, w *train.WordsBatch) (train.Losses, error) { return t.learners[i].Evaluate(ctx, w) })
}

// each adds up what the encoders' losses are. Parts of several have the component's name.
func (t *textTask) each(b train.Batch, f func(int, *train.WordsBatch) (train.Losses, error)) (all train.Losses, err error) {
	for i, w := range b.(*textBatch).of {
		l, err := f(i, w)
		if err != nil {
			return all, err
		}
		all.Total += l.Total
		for _, p := range l.Parts {
			if len(t.parts) > 1 {
				p.Name = t.parts[i].component + " " + p.Name
			}
			all.Parts = append(all.Parts, p)
		}
	}
	return all, nil
}

func (t *textTask) Epoch(number int64) float64 { return t.run.set.Epoch(number) }

// samples: text encoders draw nothing by themselves.
func (t *textTask) samples(context.Context, [][]float32) ([]journal.Sample, error) { return nil, nil }

func (t *textTask) write(ctx context.Context, v [][]float32, suffix string) ([]string, error) {
	trained, err := trainedOf(t.run.base, t.parts, v)
	if err != nil {
		return nil, err
	}
	if t.run.config.Write.Pipeline {
		return t.run.writePart(ctx, t.run.base.TextEncoder, trained, suffix)
	}
	var all []string
	for _, e := range t.run.base.Texts {
		paths, err := t.run.writePart(ctx, e.Component, trained, suffix)
		if all = append(all, paths...); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (t *textTask) next() string {
	return t.run.nextPart("init --from-nothing", " > unet.yaml")
}

func (t *textTask) close() error {
	var errs []error
	for _, l := range t.learners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// writePart writes the folder of a component, whose config may be another than the
// model's, or the whole model where the settings say so.
func (r *Run) writePart(ctx context.Context, c *weights.Component, trained values, suffix string) ([]string, error) {
	dtype := dtypeOf(r.config.Write.Precision)
	if r.config.Write.Pipeline {
		dir := r.path("model" + suffix)
		with := *r.base
		if set, pipeline := *with.Set, *with.Pipeline; c.Name == pipeline.VAE.Name {
			pipeline.VAE = c
			set.Pipeline = &pipeline
			with.Set = &set
		}
		return []string{dir}, replaceFolder(dir, func(aside string) error { return with.writePipeline(ctx, aside, trained, dtype, "", false) })
	}
	dir := r.path(c.Name + suffix)
	return []string{dir}, replaceFolder(dir, func(aside string) error { return r.base.writeComponent(ctx, aside, c, trained[c.Name], dtype) })
}

// nextPart is how the next part of a model from nothing is taught, of which this run has
// written the whole model; "" where it has not.
func (r *Run) nextPart(how, end string) string {
	if !r.config.Write.Pipeline {
		return ""
	}
	return "cosmicman train " + how + " --model " + shellWord(r.path("model")) + " --data ... --output ..." + end
}
