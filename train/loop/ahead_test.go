package loop

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestAheadIsBoundedAndInOrder: no more than so many things are made ahead, by so many
// goroutines, and they come in order whatever each takes.
func TestAheadIsBoundedAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made, taken, making, most atomic.Int64
		a := prepare(t.Context(), Ahead{Workers: 3, Batches: 5}, 10, 60, func(_ context.Context, n int64) (int64, error) {
			most.Store(max(most.Load(), making.Add(1)))
			time.Sleep(time.Duration(1+(n*7)%5) * time.Second)
			making.Add(-1)
			if ahead := made.Add(1) - taken.Load(); ahead > 5 {
				t.Errorf("%d are made ahead", ahead)
			}
			return n, nil
		})
		synctest.Wait()
		time.Sleep(time.Minute)
		if made.Load() != 5 || most.Load() != 3 {
			t.Errorf("%d were made before one was asked for, expected 5; %d at once, expected 3", made.Load(), most.Load())
		}
		for want := int64(10); want < 60; want++ {
			got, waited, err := a.next(t.Context())
			taken.Add(1)
			if err != nil || got != want {
				t.Fatalf("got %d (%v), want %d", got, err, want)
			}
			if want < 15 && waited != 0 {
				t.Errorf("waited %v for what was ready", waited)
			}
		}
		a.stop()
	})
}

func TestAheadTellsHowLongItWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := prepare(t.Context(), Ahead{}, 0, 2, func(_ context.Context, n int64) (int64, error) {
			time.Sleep(3 * time.Second)
			return n, nil
		})
		defer a.stop()
		if _, waited, err := a.next(t.Context()); err != nil || waited != 3*time.Second {
			t.Errorf("waited %v (%v), expected 3s", waited, err)
		}
	})
}

// TestAheadGivesAnErrorItsTurn: what was made before it is handed out first.
func TestAheadGivesAnErrorItsTurn(t *testing.T) {
	boom := errors.New("boom")
	a := prepare(t.Context(), Ahead{Workers: 2, Batches: 4}, 0, 100, func(_ context.Context, n int64) (int64, error) {
		if n == 3 {
			return 0, boom
		}
		time.Sleep(time.Millisecond)
		return n, nil
	})
	defer a.stop()
	for n := range int64(3) {
		if got, _, err := a.next(t.Context()); err != nil || got != n {
			t.Fatalf("got %d (%v), want %d", got, err, n)
		}
	}
	if _, _, err := a.next(t.Context()); !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
}

func TestPace(t *testing.T) {
	begun := time.Now()
	p := pace{begun: begun}
	if p.images() != 0 || p.left(10, begun) != 0 {
		t.Error("a pace of nothing")
	}
	for range 100 {
		p.step(10*time.Second, 4)
	}
	for range window {
		p.step(2*time.Second, 4)
	}
	if got := p.images(); got != 2 {
		t.Errorf("%v images a second, expected 2", got)
	}
	// 1,100 seconds were steps, and as much beside them.
	if got := p.left(10, begun.Add(2200*time.Second)); got != 40*time.Second {
		t.Errorf("%v are left, expected 40s", got)
	}
}
