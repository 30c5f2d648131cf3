//go:build long

package sim_test

import (
	"testing"
	"time"
)

func TestADayOfAThousandWorkersLosesNothing(t *testing.T) {
	play(t, fleet(1000, 24*time.Hour))
}
