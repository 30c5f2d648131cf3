package main

import (
	"context"
	"log/slog"
	"time"

	"cosmicman/telemetry"
)

// closeTraces sends what is left. A collector that is not there is no fault of the
// program's.
func closeTraces(t *telemetry.Traces, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.Warn("the last traces were not sent: " + err.Error())
	}
}
