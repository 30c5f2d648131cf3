package telemetry

import (
	"context"
	"log/slog"

	"cosmicman/job"
)

// levels of what is not told at slog.LevelInfo: many a second below, trouble above.
var levels = map[job.EventType]slog.Level{
	job.EventLeased:  slog.LevelDebug,
	job.EventJoined:  slog.LevelDebug,
	job.EventStepped: slog.LevelDebug,
	job.EventDecoded: slog.LevelDebug,
	job.EventPreview: slog.LevelDebug,
	job.EventStored:  slog.LevelDebug,
	job.EventIdle:    slog.LevelDebug,
	job.EventShed:    slog.LevelWarn,
	job.EventRetried: slog.LevelWarn,
	job.EventFenced:  slog.LevelWarn,
	job.EventHalved:  slog.LevelWarn,
}

// Log writes events to l.
func Log(l *slog.Logger) func(job.Event) {
	return func(e job.Event) {
		if e.Type == job.EventFailed {
			return // the worker logs it, with its cause
		}
		level := levels[e.Type]
		if e.Type == job.EventEnded && e.State == job.Failed {
			level = slog.LevelError
		}
		if e.Err != nil {
			level = max(level, slog.LevelWarn)
		}
		if !l.Enabled(context.Background(), level) {
			return
		}
		l.LogAttrs(context.Background(), level, string(e.Type), attrs(e)...)
	}
}

// attrs are the fields that are set.
func attrs(e job.Event) (out []slog.Attr) {
	text := func(key, value string) {
		if value != "" {
			out = append(out, slog.String(key, value))
		}
	}
	number := func(key string, n int64) {
		if n != 0 {
			out = append(out, slog.Int64(key, n))
		}
	}
	text("job", string(e.Job))
	if e.Job != "" && e.Worker != "" {
		out = append(out, slog.Int("image", e.Image))
	}
	text("model", e.Model)
	text("tenant", e.Tenant)
	text("worker", e.Worker)
	if e.Group != (job.Group{}) {
		text("group", e.Group.String())
	}
	number("rows", int64(e.Rows))
	number("padded", int64(e.Padded))
	number("images", int64(e.Images))
	number("bytes", e.Bytes)
	number("attempt", int64(e.Attempt))
	if e.Wait != 0 {
		out = append(out, slog.Duration("wait", e.Wait))
	}
	if e.Took != 0 {
		out = append(out, slog.Duration("took", e.Took))
	}
	text("state", string(e.State))
	if e.Err != nil {
		text("kind", string(job.KindOf(e.Err)))
		out = append(out, slog.String("error", e.Err.Error()))
	}
	return out
}
