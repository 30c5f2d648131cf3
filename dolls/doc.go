// Package dolls draws people whose every detail is known: figures to train on and to judge by.
//
// [Draw] makes up a person from a seed: shot, face, hair, outfit, background, in the words
// that package prompt has for them, and what has no word (pose, expression, proportions).
// [Person.Render] draws the person at any size, as a shaded figure ([Shaded]) or as pixel art
// ([Pixel]), with a parsing map: the label that each pixel shows, in the ATR set.
// [Person.Attributes], [Person.Caption] and [Person.LabelsOf] say what was drawn. What a shot
// or another garment hides is not said.
//
// [Write] fills a folder in CosmicMan-HQ's format. Everything follows from the seed, by
// integer arithmetic alone, so that images and maps are the same on every machine.
//
// A figure stands in design units: x to the right from the middle, y downwards, the top of a
// grown-up's head at 30, the chin at 400, the soles at 1950. Garments are paths in these
// units, filled from the back to the front; where a path covers at least half of a pixel, the
// map has its label.
package dolls
