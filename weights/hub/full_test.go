package hub

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestAFullDiskIsExplained(t *testing.T) {
	err := full(errors.Join(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the same command goes on from there") {
		t.Error(err)
	}
	if other := full(fs.ErrPermission); other != fs.ErrPermission {
		t.Error(other)
	}
}
