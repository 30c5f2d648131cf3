// Package picture takes image files apart and makes them: PNG, JPEG and WebP.
//
// [Decode] reads files of strangers: what a file is follows from its bytes, its size
// is checked before anything is made for its pixels, and memory is bounded over all
// decodes of the process. [Encode] writes the same bytes for the same pixels, with
// the drawing's parameters where other programs look for them and the mark that the
// image is synthetic.
package picture
