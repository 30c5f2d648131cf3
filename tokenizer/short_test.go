//go:build !long

package tokenizer

// inSweep leaves most of the ideographs, the Hangul syllables and the planes beyond the first two to the long tests: they are much alike.
func inSweep(block int) bool {
	return block < 0x34 || 0xA0 <= block && block < 0xAD || 0xD6 <= block && block < 0x1A0 || 0x1D0 <= block && block < 0x200 ||
		block%64 == 0 || block%256 == 255
}
