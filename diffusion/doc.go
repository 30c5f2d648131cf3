// Package diffusion holds the arithmetic of denoising: torch's seeded noise,
// noise schedules, samplers and guidance, all on plain slices of float32.
package diffusion
