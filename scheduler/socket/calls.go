package socket

import (
	"context"
	"time"

	"cosmicman/job"
	"cosmicman/scheduler"
)

// Submit implements [scheduler.Client].
func (c *Client) Submit(ctx context.Context, s job.Submission) (job.Status, error) {
	return soon[job.Status](ctx, c, "submit", s)
}

// Get implements [scheduler.Client].
func (c *Client) Get(ctx context.Context, id job.ID) (job.Status, error) {
	return soon[job.Status](ctx, c, "get", id)
}

// Cancel implements [scheduler.Client].
func (c *Client) Cancel(ctx context.Context, id job.ID) error {
	_, err := soon[none](ctx, c, "cancel", id)
	return err
}

// Beat implements [scheduler.Source].
func (c *Client) Beat(ctx context.Context, w scheduler.Worker, leases []job.Ref) ([]job.Ref, error) {
	return soon[[]job.Ref](ctx, c, "beat", beatArgs{w, leases})
}

// Progress implements [scheduler.Source]. It waits two seconds at most.
func (c *Client) Progress(ctx context.Context, r job.Ref, p job.Progress, preview *job.Preview) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := soon[none](ctx, c, "progress", progressArgs{r, p, preview})
	return err
}

// Finish implements [scheduler.Source].
func (c *Client) Finish(ctx context.Context, r job.Ref, result job.Result) error {
	_, err := soon[none](ctx, c, "finish", finishArgs{r, result})
	return err
}

// Fail implements [scheduler.Source].
func (c *Client) Fail(ctx context.Context, r job.Ref, reason *job.Error) error {
	_, err := soon[none](ctx, c, "fail", failArgs{r, reason})
	return err
}

// Release implements [scheduler.Source].
func (c *Client) Release(ctx context.Context, refs ...job.Ref) error {
	_, err := soon[none](ctx, c, "release", refs)
	return err
}

// Leave implements [scheduler.Source].
func (c *Client) Leave(ctx context.Context, worker string) error {
	_, err := soon[none](ctx, c, "leave", worker)
	return err
}

// Stats implements [scheduler.Operator].
func (c *Client) Stats(ctx context.Context) (scheduler.Stats, error) {
	return soon[scheduler.Stats](ctx, c, "stats", none{})
}

// Dead implements [scheduler.Operator].
func (c *Client) Dead(ctx context.Context, n int) ([]job.Status, error) {
	return soon[[]job.Status](ctx, c, "dead", n)
}

// Retry implements [scheduler.Operator].
func (c *Client) Retry(ctx context.Context, id job.ID) error {
	_, err := soon[none](ctx, c, "retry", id)
	return err
}

// Drop implements [scheduler.Operator].
func (c *Client) Drop(ctx context.Context, id job.ID) error {
	_, err := soon[none](ctx, c, "drop", id)
	return err
}
