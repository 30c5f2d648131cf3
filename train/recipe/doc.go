// Package recipe is a run of training as its user sees it: the settings and their
// table (config.go, settings.go, check.go), the tasks that are made of a data set,
// frozen networks and a learner, what a run is checked for before it starts, and what
// it writes.
//
// A setting has one name everywhere: lora.rank in messages and tables, rank below lora
// in the file, --lora-rank on the command line.
package recipe
