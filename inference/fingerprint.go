package inference

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"cosmicman/ort"
)

// Fingerprint names everything besides a model and a request that an image's bits
// depend on: what runs the networks, in what precision, the library's version, the
// processor's vendor, family and vector instructions, by which kernels are
// chosen, its second-level cache, by which attention is cut into blocks, the number
// of threads, by which layers are cut (see package ort), whether
// weights are packed, and how far graphs are rewritten. Engines of one fingerprint
// draw the same images.
func Fingerprint(rt *ort.Runtime, s Settings) string {
	weights := "packed"
	if s.Lean {
		weights = "lean"
	}
	threads := cmp.Or(s.Threads, runtime.NumCPU())
	return fmt.Sprintf("cpu fp32 ort%s %s threads%d %s extended", rt.Version(), processor(), threads, weights)
}

// processor is such as "amd26 avx2+avx512f+avx512_bf16 1024K".
var processor = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	described := describe(text)
	if size, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cache/index2/size"); err == nil {
		described += " " + strings.TrimSpace(string(size))
	}
	return described
})

// vendors as people call them.
var vendors = map[string]string{"AuthenticAMD": "amd", "GenuineIntel": "intel"}

// decisive are the flags by which ONNX Runtime or the C library choose kernels.
var decisive = []string{"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "bf16", "sve"}

// describe reads the first processor of Linux's /proc/cpuinfo.
func describe(cpuinfo []byte) string {
	first, _, _ := bytes.Cut(cpuinfo, []byte("\n\n"))
	fields := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(first))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	vendor := fields["vendor_id"]
	if v, ok := vendors[vendor]; ok {
		vendor = v
	}
	if vendor == "" {
		vendor = runtime.GOARCH + fields["CPU implementer"] + fields["CPU part"]
	}
	var have []string
	flags := strings.Fields(fields["flags"] + fields["Features"])
	for _, f := range decisive {
		if slices.Contains(flags, f) {
			have = append(have, f)
		}
	}
	return strings.TrimSpace(vendor + fields["cpu family"] + " " + strings.Join(have, "+"))
}
