//go:build long

package tokenizer

// The planes beyond the first two are mostly empty; the long tests take them whole.
func inSweep(int) bool { return true }
