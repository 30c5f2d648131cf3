// Package encode makes what frozen networks say of captions and pictures: the text
// encoders' states that condition the UNet (texts.go), and the distribution of latents
// that the VAE's encoder gives (vae.go, latents.go). The same text or picture has the
// same bits whatever is encoded beside it (rows.go), and they are those that package
// inference computes with as many threads.
//
// What was encoded is kept in memory, the last used first, and, where there is a Cache,
// on disk under what it was made from (pack.go): an entry cannot be stale, and one that
// is torn or was changed is found out by its checksum and made again.
package encode
