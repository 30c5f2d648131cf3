package train

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Chance is a source of random numbers that follows from a run's seed, a purpose and
// numbers such as those of a step and a row. A run that is resumed draws what it would
// have drawn, whatever was drawn before, and nothing of it has to be kept.
func Chance(seed uint64, purpose string, numbers ...int64) *rand.Rand {
	return rand.New(rand.NewChaCha8(digest(seed, purpose, numbers)))
}

// SeedOf is a seed for torch's noise (package diffusion) that follows as Chance does.
func SeedOf(seed uint64, purpose string, numbers ...int64) uint64 {
	d := digest(seed, purpose, numbers)
	return binary.LittleEndian.Uint64(d[:])
}

func digest(seed uint64, purpose string, numbers []int64) [32]byte {
	// The purpose comes last: what stands before it is of a known length.
	text := binary.LittleEndian.AppendUint64(nil, seed)
	text = binary.LittleEndian.AppendUint64(text, uint64(len(numbers)))
	for _, n := range numbers {
		text = binary.LittleEndian.AppendUint64(text, uint64(n))
	}
	return sha256.Sum256(append(text, purpose...))
}
