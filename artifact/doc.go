// Package artifact writes what a drawing leaves behind: images with their
// parameters and latents, whole or not at all.
package artifact
