package inference

import (
	"strings"
	"testing"
)

func TestProcessor(t *testing.T) {
	for want, text := range map[string]string{
		"amd26 avx2+fma+avx512f+avx512_bf16": "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel name\t: AMD EPYC\nflags\t\t: fpu fma avx2 avx512f avx512_bf16 x\n\nprocessor\t: 1\nvendor_id\t: other\n",
		"intel6 avx2+amx_tile":               "vendor_id : GenuineIntel\ncpu family : 6\nflags : avx2 amx_tile\n",
		"other7":                             "vendor_id : other\ncpu family : 7\nflags : avx2x\n",
	} {
		if got := describe([]byte(text)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	arm := describe([]byte("processor : 0\nFeatures : fp asimd sve\nCPU implementer : 0x41\nCPU part : 0xd40\n"))
	if !strings.HasSuffix(arm, "0x410xd40 asimd+sve") {
		t.Errorf("%q", arm)
	}
}

// TestFingerprint: what changes bits changes it, and nothing else does.
func TestFingerprint(t *testing.T) {
	rt := openRuntime(t)
	plain := Fingerprint(rt, Settings{Threads: 2})
	for name, s := range map[string]Settings{"lean": {Threads: 2, Lean: true}, "threads": {Threads: 3}} {
		if Fingerprint(rt, s) == plain {
			t.Errorf("%s changes bits, and the fingerprint is still %q", name, plain)
		}
	}
	if other := Fingerprint(rt, Settings{Threads: 2, Arena: true, TextCache: 1, Profile: "x"}); other != plain {
		t.Errorf("%q and %q, for settings that change nothing", plain, other)
	}
	if !strings.HasPrefix(plain, "cpu fp32 ort"+rt.Version()+" ") || !strings.HasSuffix(plain, " threads2 packed extended") {
		t.Errorf("%q", plain)
	}
}
