// Package dataset knows what a run learns from: which images, with which words and
// parsing maps, in which sizes and in which order.
//
// [Open] reads sources, CosmicMan-HQ's label files (parquet.go) or folders of images
// (folder.go), checks every file's header, gives each image a size ([Buckets]) and
// keeps some for judging ([Held]). [Set.Visit] and [Set.Batch] are the plan: who is seen
// when is a function of the options and a number, whatever was seen before.
// [Set.Caption], [Set.Picture] and [Set.Map] make what a visit needs. The bytes of a
// caption that describe a part of the person are written down while it is built.
package dataset
