//go:build long

package tokenizer

func inSweep(int) bool { return true }
