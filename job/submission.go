package job

// Submission is a job on its way into the queue.
type Submission struct {
	ID      ID     `json:"id"` // fresh, by the caller, so that a call that is repeated after a lost answer enters once
	Spec    Spec   `json:"spec"`
	Key     string `json:"key,omitempty"`     // idempotency key, "" for none; its scope is Spec.Tenant
	Digest  string `json:"digest,omitempty"`  // of what was asked, with a key: tells a repetition from another request
	Watcher string `json:"watcher,omitempty"` // registered as a watcher in the same step, "" for none
}
