package ort

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"cosmicman/onnx"
	"cosmicman/tensor"
)

// long is a session whose run takes many seconds for n = 1000, in many operators.
func long(t *testing.T, r *Runtime) *Session {
	g := onnx.NewGraph("long")
	x := g.Input("x", tensor.Float32, onnx.Sym("n"), onnx.Sym("n"))
	y := x
	for range 1000 {
		y = g.MatMul(y, x)
	}
	g.Result("y", y)
	return session(t, r, g)
}

func square(n int64) map[string]Tensor {
	return map[string]Tensor{"x": Floats(make([]float32, n*n), n, n)}
}

func TestRunStopsWhenCancelled(t *testing.T) {
	s := long(t, open(t))
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	if _, err := s.Run(ctx, square(1000)); !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	if _, err := s.Run(ctx, square(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was cancelled before it began ended with %v", err)
	}
	late, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	out := map[string]Tensor{"y": Floats(make([]float32, 1000*1000), 1000, 1000)}
	if err := s.RunInto(late, square(1000), out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a run past its deadline ended with %v", err)
	}
	if _, err := s.Run(t.Context(), square(2)); err != nil {
		t.Errorf("a run after those: %v", err)
	}
}

// A cancelled run takes none of the others with it, and Close waits for them.
func TestCancelIsForOneRun(t *testing.T) {
	s := long(t, open(t))
	ctx, cancel := context.WithCancel(t.Context())
	var running, done sync.WaitGroup
	running.Add(2)
	for _, c := range []context.Context{ctx, t.Context()} {
		done.Go(func() {
			running.Done()
			n := int64(40)
			if c == ctx {
				n = 1000
			}
			_, err := s.Run(c, square(n))
			if c == ctx && !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled run: %v", err)
			}
			// The run that is left either ended or came after Close.
			if c != ctx && err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("the other run: %v", err)
			}
		})
	}
	running.Wait()
	time.Sleep(10 * time.Millisecond)
	cancel()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	done.Wait()
	if _, err := s.Run(t.Context(), square(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed session: %v", err)
	}
}
