// Package pack decides what a device does next. It is a pure calculation: [Choose]
// maps a [State] to a [Choice], [Want] says how many images to lease, and a [Book]
// keeps what was learned of costs and who has received how much. Nothing here reads
// a clock or starts a goroutine, so that a worker and a simulator run the same code.
// A Book belongs to one goroutine.
//
// # Turns
//
// A turn is one thing the device does: begin sequences (text encoders), one UNet
// call for rows of one group, one VAE decode, or loading or unloading a model.
// Sequences join and leave between any two turns.
//
// # Between groups
//
// Each group has an account of the device seconds it has received, and the group
// with the least is stepped. So shares are of time, not of turns: a step at
// 1024x1024 that costs as much as sixteen small ones is followed by sixteen small
// ones. A group that has nothing to do saves nothing up: its account is never taken
// as lower than that of the group served last less [Params].Credit, which is what
// a newcomer may be served before its turn. Seconds are divided by a weight: the
// group's rows against those of the largest group, at least Params.Floor. With a
// floor of a quarter, a lone image beside any flood has a fifth of the device, thus
// ends in at most five times the time it needs alone, and the flood loses a fifth
// and no more to steps that are badly filled. Equal shares would be fairer to the
// lone one and cost the flood a half.
//
// # In a group
//
// Rows are taken oldest first, always the same ones until they end: with equal
// throughput, finishing what was started gives the lowest mean latency. Where two
// rows no longer fit, a younger sequence with one row fills the place.
//
// # How many rows
//
// A step costs a fixed part (launches, reading the weights) and a part for each
// row. Where the fixed part is large, more rows are almost free; where it is none,
// as on a CPU, more rows only make everybody wait, cancellation included. The limit
// is the fewest rows that reach Params.Efficiency of the best throughput that is
// known to be possible, in a step of at most Params.StepSeconds. Costs come from
// live steps: for each row count the median of the last seven (the first call at a
// new shape is often slow, and others share the machine), a straight line through
// these with relative errors weighing alike, and the line where no count was
// measured. With a single row count the line cannot be known; then the fixed part
// is taken to be worth four rows, which is enough to try twice as many, which
// tells. One call in 64 may have twice the rows, so that costs measured while others
// used the machine do not hold for ever. No limit is above twice the rows that went
// well, so that memory is felt for in doublings. A size that was never stepped borrows the line of the nearest
// size of its model, the part for a row scaled by pixels.
//
// Running out of memory halves the limit of the group for good (and in proportion
// of larger sizes); Book.Save keeps it. Removing the file is how to forget.
//
// # Begins and decodes
//
// Both stop everybody's steps. Each therefore owes: after one that took a second,
// steps get a second (Params.Share a half) before the next of its kind, unless
// there is nothing to step (and, before a begin, nothing to decode either), or as
// many images wait to be decoded as there are to
// step (models of few steps spend most of their time in the VAE). So an ended image
// is decoded soon, ten that end at once do not stop the others for ten decodes, and
// a flood of images that cannot be begun does not stop those that have.
// Images are begun when their group has room, all that have room in one call.
//
// A preview stops its own image: it is not stepped on before what it was to show is
// decoded, so that every preview shows the step that it was asked for. The others it
// stops for one decode, and then they have three times as long for steps
// (Params.Previews), unless all wait for previews. Final decodes go first.
//
// # Leasing ahead
//
// What is leased here is drawn nowhere else, and no longer follows the queue's
// order. A worker therefore holds a batch for each group present, three batches in
// all at most, and a quarter of a batch (at least one image) beside, so that a place
// is taken as soon as it is free. It asks for a quarter of a batch at once: idle
// workers share a burst instead of the first taking it whole.
//
// # Models
//
// An image whose model is not loaded was given by the queue in the knowledge of
// what loading takes, so it is loaded at once when memory allows, after unloading
// the least recently used models that are neither pinned nor in use. If that is
// not enough, images leased later wait and nothing more is leased until the
// models in the way have drained.
package pack
