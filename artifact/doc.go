// Package artifact keeps what a drawing leaves behind, whole or not at all: images
// and latents as files that a user names ([WriteFile]), and finished images until they
// expire, under names that cannot be guessed ([Files]).
package artifact
