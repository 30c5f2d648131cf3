// Package prompt knows how CosmicMan's models are spoken to.
//
// Their captions have a protocol. A person is described in 20 groups, from the face to
// the ties; a [Group]'s number is its place in the protocol. A caption is phrases joined
// by commas: first how much of the person is seen (the shot), then a phrase for each
// group that there is, and in each phrase adjectives and then a noun: "a full-body shot,
// an Asian adult female, fit, a beige wall, long wavy brown hair, white cotton shirt".
//
// There are two ways:
//
//   - [ParseFields] reads a body and an outfit, groups with attributes, strictly, and
//     [Fields.Caption] writes the caption: shot, face, body shape, background, hair, then
//     the rest by number, then free text. Equal fields make equal captions.
//   - [Parse] finds the groups in free text: captions, lists of tags, English sentences.
//     It never fails. What it does not understand is left in place, as unassigned.
//
// # Parse
//
// The text is cut into words, and the words are looked up in the lexicon (the files
// under lexicon/), the longest entry first. What was found is cut into chunks: a chunk
// begins at a comma, a preposition, a verb or a determiner, and holds at most one noun
// phrase, whose last noun is its head. The head's group is the chunk's; adjectives before
// the head are its attributes. A chunk without a head ("in red", "with long sleeves",
// "sleeveless") belongs to the noun before it, or, between commas, to the one that can
// have that attribute. Neighbouring chunks of places, times and what stands there are one
// background. Attributes have the names that [ParseFields] takes; values are in lower
// case (countries apart) and, where the captions have the value, in its spelling.
//
// Spans are half-open, in bytes, never cut a character, and come in the text's order.
// Two spans are disjoint but for one case: what is said of another group within the words
// for the person ("a young slim woman") is a phrase of its own inside the face's.
//
// The time is linear in the text's length.
package prompt
