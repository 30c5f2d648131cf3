package recipe

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// freeMemory is how many bytes a run can take here: what the system says is available,
// or what is left of a limit of its control group, if that is less. false where neither
// is known.
func freeMemory(root string) (int64, bool) {
	free, known := int64(0), false
	least := func(n int64) {
		if !known || n < free {
			free, known = max(n, 0), true
		}
	}
	if n, ok := lineValue(filepath.Join(root, "proc/meminfo"), "MemAvailable:"); ok {
		least(n << 10)
	}
	// The second version of control groups, then the first, as containers see them.
	for _, g := range []struct{ limit, used, stat, cache string }{
		{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat", "inactive_file"},
		{"sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes", "sys/fs/cgroup/memory/memory.stat", "total_inactive_file"},
	} {
		limit, ok := fileNumber(filepath.Join(root, g.limit))
		used, ok2 := fileNumber(filepath.Join(root, g.used))
		if !ok || !ok2 {
			continue
		}
		cached, _ := lineValue(filepath.Join(root, g.stat), g.cache) // the kernel gives it back when asked
		least(limit - used + cached)
	}
	return free, known
}

// lineValue is the number behind a word at the beginning of a line.
func lineValue(path, word string) (int64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) >= 2 && f[0] == word {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// fileNumber is the number that a file holds; false for "max", which is no limit.
func fileNumber(path string) (int64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// freeDisk is how many bytes can be written in a folder that need not be there yet.
func freeDisk(dir string) (int64, error) {
	for {
		var s syscall.Statfs_t
		err := syscall.Statfs(dir, &s)
		if err == nil {
			return int64(s.Bavail) * s.Bsize, nil
		}
		parent := filepath.Dir(dir)
		if err != syscall.ENOENT || parent == dir {
			return 0, fmt.Errorf("%s: the disk's free space is not known: %w", dir, err)
		}
		dir = parent
	}
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, unit := float64(n), 0
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}
