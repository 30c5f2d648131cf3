package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Found is a folder with a checkpoint's name.
type Found struct {
	Dir  string
	Step int64
}

func name(step int64) string { return fmt.Sprintf("step-%08d", step) }

// stepOf is the reverse of name.
func stepOf(folder string) (int64, bool) {
	digits, is := strings.CutPrefix(folder, "step-")
	if !is {
		return 0, false
	}
	step, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || name(int64(step)) != folder {
		return 0, false
	}
	return int64(step), true
}

// List returns the checkpoints in a folder, the newest first. They are not looked
// into. A folder that is not there has none.
func List(folder string) ([]Found, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []Found
	for _, e := range entries {
		if step, is := stepOf(e.Name()); is {
			all = append(all, Found{filepath.Join(folder, e.Name()), step})
		}
	}
	slices.SortFunc(all, func(a, b Found) int { return cmp.Compare(b.Step, a.Step) })
	return all, nil
}

// Prune removes all checkpoints but the newest so many, and returns their folders.
func Prune(folder string, keep int) (removed []string, err error) {
	all, err := List(folder)
	if err != nil {
		return nil, err
	}
	for _, f := range all[min(keep, len(all)):] {
		// The name goes first: what is half removed has none.
		aside := filepath.Join(folder, "."+filepath.Base(f.Dir)+".removed")
		if err := errors.Join(os.RemoveAll(aside), os.Rename(f.Dir, aside), os.RemoveAll(aside)); err != nil {
			return removed, err
		}
		removed = append(removed, f.Dir)
	}
	return removed, nil
}

// SetAside takes its name from a checkpoint that the run does not go on from, and
// returns the new one. Nothing is removed.
func SetAside(dir string) (string, error) {
	folder, base := filepath.Split(filepath.Clean(dir))
	for i := 0; ; i++ {
		to := filepath.Join(folder, "set-aside-"+base)
		if i > 0 {
			to += "." + strconv.Itoa(i)
		}
		_, err := os.Lstat(to)
		if errors.Is(err, os.ErrNotExist) {
			return to, os.Rename(dir, to)
		}
		if err != nil {
			return "", err
		}
	}
}

// Lock is a run's folder, held by this process.
type Lock struct{ file *os.File }

// OpenFolder makes a folder if it is not there, and takes it for this process until Close,
// or says which one has it. What a process that died left half written is removed.
func OpenFolder(folder string) (*Lock, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(folder, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	l := &Lock{f}
	if err := l.take(folder); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := sweep(folder); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

func (l *Lock) take(folder string) error {
	for {
		err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			holder := make([]byte, 20)
			n, _ := l.file.ReadAt(holder, 0) // the error is that there is less
			if pid, err := strconv.Atoi(strings.TrimSpace(string(holder[:n]))); err == nil {
				return fmt.Errorf("%s is in use: another run, process %d, writes it", folder, pid)
			}
			return fmt.Errorf("%s is in use: another run writes it", folder)
		}
		if err != nil {
			return err
		}
		// The number helps people; a disk without room for it is no fault yet.
		if l.file.Truncate(0) == nil {
			_, _ = fmt.Fprintf(l.file, "%d\n", os.Getpid())
		}
		return nil
	}
}

// Close gives the folder up.
func (l *Lock) Close() error { return l.file.Close() }

// sweep removes what was being written or removed by a process that died, and puts
// back what had stepped aside for a folder that did not come.
func sweep(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var faults []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".step-") {
			continue
		}
		path := filepath.Join(folder, e.Name())
		final := filepath.Join(folder, strings.TrimSuffix(e.Name()[1:], oldSuffix))
		if path == steppedAside(final) {
			if _, err := os.Lstat(final); errors.Is(err, os.ErrNotExist) {
				faults = append(faults, os.Rename(path, final))
				continue
			}
		}
		faults = append(faults, os.RemoveAll(path))
	}
	return errors.Join(faults...)
}

const oldSuffix = ".old"

// steppedAside is the name of a checkpoint whose place another one takes.
func steppedAside(dir string) string {
	return filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+oldSuffix)
}
