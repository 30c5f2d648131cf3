package job

import "time"

// Event is something that happened to a job, an image or a device, for metrics,
// logs and traces. Which fields are set depends on the type.
type Event struct {
	Type    EventType
	Time    time.Time
	Job     ID
	Image   int
	Model   string
	Tenant  string
	Worker  string
	Group   Group
	Rows    int           // of the UNet's batch, padding not counted
	Padded  int           // rows that the device was given
	Images  int           // sequences in the batch, or images of the job
	Bytes   int64         // of what was stored or loaded
	Wait    time.Duration // from the queue's entry to now
	Took    time.Duration // what the thing took
	Attempt int
	State   State
	Trace   string // Spec.Trace, in a worker's own events
	Err     error
}

// EventType names what happened.
type EventType string

// The types.
const (
	EventQueued   EventType = "queued"   // a job was accepted: Job, Model, Tenant, Images
	EventShed     EventType = "shed"     // a job was refused at the door: Err
	EventLeased   EventType = "leased"   // an image was given to a worker: Wait, Attempt
	EventJoined   EventType = "joined"   // its sequence is active: Group, Rows; Took is the text encoders' time
	EventStepped  EventType = "stepped"  // a UNet call: Group, Rows, Padded, Images, Took
	EventDecoded  EventType = "decoded"  // a VAE decode: Group, Took
	EventPreview  EventType = "preview"  // a VAE decode of an unfinished image: Group, Took
	EventStored   EventType = "stored"   // an artifact was written: Bytes, Took
	EventFinished EventType = "finished" // an image's result was recorded: Wait (from acceptance on), Took (since leased)
	EventFailed   EventType = "failed"   // an image's start ended in an error: Err
	EventEnded    EventType = "ended"    // a job ended: State, Err, Wait
	EventRetried  EventType = "retried"  // an image went back to the head: Attempt, Err
	EventReturned EventType = "returned" // an image went back without an attempt: a drain
	EventFenced   EventType = "fenced"   // a write of a worker came too late
	EventRevoked  EventType = "revoked"  // running work was stopped: cancelled
	EventLoaded   EventType = "loaded"   // a model was loaded: Model, Bytes, Took
	EventUnloaded EventType = "unloaded" // a model was unloaded: Model, Bytes
	EventHalved   EventType = "halved"   // out of memory: Group, Rows (the new limit)
	EventIdle     EventType = "idle"     // the device had nothing to do for Took
)
